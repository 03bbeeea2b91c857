import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tls } from './tls.ts';

/** Where a server has its files, where it listens, whom it asks. */
export interface Place {
  readonly directory: string;
  readonly port: number;
  /** Of a page of metrics; 0: it shall have none. */
  readonly metricsPort: number;
  /** `127.0.0.1:port` */
  readonly upstream: string;
  /** Of the server and of upstream. Undefined: plain HTTP, both. */
  readonly tls: Tls | undefined;
  /** It asks nobody: what it has was pushed to it. */
  readonly isHosting?: true | undefined;
  /** Further keys for {@link configurations}' `config`. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Where the cache of a server lies. */
export function cacheIn({ directory }: Pick<Place, 'directory'>): string {
  return join(directory, 'data');
}

/** This program's own, of those that {@link writeConfigurations} writes. */
export function configurationIn(directory: string): string {
  return fileOf(directory, 'config');
}

function fileOf(directory: string, language: string): string {
  return join(directory, `${language}.json`);
}

function scheme({ tls }: Place): string {
  return tls === undefined ? 'http' : 'https';
}

/** The same in the language of each program: an empty cache of one upstream, or a registry that is pushed to, which logs errors alone. */
const configurations = {
  /** This program, its earlier releases, and the Ociregistry whose configuration they read. */
  config: (place: Place) => ({
    imagePath: cacheIn(place),
    host: '127.0.0.1',
    port: place.port,
    logLevel: 'error',
    metrics: place.metricsPort,
    defaultNs: place.upstream,
    registries: [
      {
        name: place.upstream,
        scheme: scheme(place),
        ...(place.tls && { tls: { ca: place.tls.caFile } }),
      },
    ],
    ...(place.tls && { serverTlsConfig: { cert: place.tls.certFile, key: place.tls.keyFile } }),
    ...(place.isHosting && { hosted: [{ repositories: ['bench'], open: true }] }),
    ...place.settings,
  }),
  /** With the descriptor cache of Debian’s own configuration. */
  distribution: (place: Place) => ({
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: cacheIn(place) }, cache: { blobdescriptor: 'inmemory' } },
    http: {
      addr: `127.0.0.1:${place.port}`,
      ...(place.tls && { tls: { certificate: place.tls.certFile, key: place.tls.keyFile } }),
    },
    ...(!place.isHosting && { proxy: { remoteurl: `${scheme(place)}://${place.upstream}` } }),
  }),
  zot: (place: Place) => ({
    distSpecVersion: '1.1.1',
    storage: { rootDirectory: cacheIn(place) },
    http: {
      address: '127.0.0.1',
      port: String(place.port),
      ...(place.tls && { tls: { cert: place.tls.certFile, key: place.tls.keyFile } }),
    },
    log: { level: 'error' },
    ...(!place.isHosting && {
      extensions: {
        sync: {
          enable: true,
          registries: [
            {
              urls: [`${scheme(place)}://${place.upstream}`],
              onDemand: true,
              tlsVerify: place.tls !== undefined,
            },
          ],
        },
      },
    }),
  }),
} satisfies Readonly<Record<string, (place: Place) => object>>;

/** Paths of files, by the name of a language. */
export type ConfigurationFiles = Readonly<Record<keyof typeof configurations, string>>;

/** Writes all of them. JSON is YAML. */
export async function writeConfigurations(place: Place): Promise<ConfigurationFiles> {
  await mkdir(cacheIn(place));
  const written = Object.entries(configurations).map(async ([language, contentFor]) => {
    const file = fileOf(place.directory, language);
    await writeFile(file, JSON.stringify(contentFor(place)));
    return [language, file] as const;
  });
  return Object.fromEntries(await Promise.all(written)) as ConfigurationFiles;
}
