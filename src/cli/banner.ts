import type { App } from '../app/app.ts';
import type { Config } from '../config/schema.ts';

export interface BannerParts {
  readonly version: string;
  readonly argv: readonly string[];
  readonly app: App;
  readonly config: Config;
}

/** What the original writes at start at any log level, and where this process listens. */
export function banner({ version, argv, app, config }: BannerParts): string {
  const { cert, clientAuth } = config.serverTlsConfig;
  const rows: [string, string][] = [
    ['Version', version],
    ['Started', new Date().toISOString()],
    ['Running as (uid:gid)', `${process.getuid?.()}:${process.getgid?.()}`],
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
