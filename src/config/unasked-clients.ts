import type { Config } from './schema.ts';

/** Whoever names who signs clients' certificates wants them to be asked for; as in the original they are only with `verify`. */
export function unaskedClients({ serverTlsConfig: { ca, clientAuth } }: Config): string[] {
  if (ca === '' || clientAuth === 'verify') return [];
  return [
    'serverTlsConfig.ca has no effect without clientAuth: verify; everyone who reaches the port may pull',
  ];
}
