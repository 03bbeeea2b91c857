import type { App } from '../app/app.ts';
import type { Config } from '../config/schema.ts';

export interface BannerParts {
  readonly version: string;
  readonly argv: readonly string[];
  readonly app: App;
  readonly config: Config;
}

/** What the original writes at start at any log level, and where this process listens; for a person. */
export function banner({ version, argv, app, config }: BannerParts): string {
  const { cert, clientAuth } = config.serverTlsConfig;
  const rows: [string, string][] = [
    ['Version', version],
    ['Started', new Date().toISOString()],
    ['Running as (uid:gid)', identity()],
    ['Process id', String(process.pid)],
    ['Tls', cert === '' ? 'none' : `server certificate ${cert}, clients: ${clientAuth}`],
    ['Image path', config.imagePath],
    ['Listening', app.server.url],
    ...(app.health === undefined ? [] : [['Health', app.health.url] satisfies [string, string]]),
    ...(app.metrics === undefined ? [] : [['Metrics', app.metrics.url] satisfies [string, string]]),
    ['Command line', argv.join(' ')],
  ];
  const rule = '-'.repeat(66);
  return `${[rule, 'OCI Registry', ...rows.map(([name, value]) => `${name}: ${value}`), rule].join('\n')}\n`;
}

/** The same as fields of one line, for a program. */
export function startFacts({ version, argv, app, config }: BannerParts): Readonly<Record<string, unknown>> {
  const { cert, clientAuth } = config.serverTlsConfig;
  return {
    version,
    user: identity(),
    pid: process.pid,
    tls: cert === '' ? 'none' : cert,
    ...(cert !== '' && { clientAuth }),
    imagePath: config.imagePath,
    url: app.server.url,
    health: app.health?.url,
    metrics: app.metrics?.url,
    commandLine: argv.join(' '),
  };
}

/** uid:gid */
function identity(): string {
  return `${process.getuid?.()}:${process.getgid?.()}`;
}
