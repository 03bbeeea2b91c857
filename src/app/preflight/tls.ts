import type { Problem } from '../../config/problem.ts';
import type { Config } from '../../config/schema.ts';
import type { Path } from '../../config/schema-tree.ts';
import { certificateIn, readTlsFiles, TlsFileError, type TlsFiles } from '../tls-files.ts';
import type { Findings } from './findings.ts';

interface Named {
  readonly at: Path;
  readonly files: TlsFiles;
  /** Whose they are; undefined: the server's own, or all registries'. */
  readonly registry?: string;
}

/** All groups of TLS files that the configuration names. Behind an air gap no registry is asked. */
function groupsOf({ serverTlsConfig, listeners, upstream, registries, airGapped }: Config): Named[] {
  const server: Named = { at: ['serverTlsConfig'], files: serverTlsConfig };
  const doors = listeners.flatMap(({ tls }, index): Named[] =>
    tls === undefined ? [] : [{ at: ['listeners', index, 'tls'], files: tls }],
  );
  if (airGapped) return [server, ...doors];
  return [
    server,
    ...doors,
    { at: ['upstream'], files: onlyCa(upstream.ca) },
    ...registries.flatMap(({ name: registry, tls, upstream: own }, index): Named[] => [
      { registry, at: ['registries', index, 'tls'], files: tls },
      { registry, at: ['registries', index, 'upstream'], files: onlyCa(own.ca ?? '') },
    ]),
  ];
}

function onlyCa(ca: string): TlsFiles {
  return { cert: '', key: '', ca };
}

/** What is wrong with the files of each group, the first thing; and certificates that have expired, with which it starts and nobody comes in. */
export async function tlsFindings(config: Config): Promise<Findings> {
  const found = await Promise.all(groupsOf(config).map(findingsOf));
  return {
    problems: found.flatMap(({ problems }) => problems),
    warnings: found.flatMap(({ warnings }) => warnings),
  };
}

async function findingsOf({ at, files, registry }: Named): Promise<Findings> {
  const finding = (key: keyof TlsFiles, message: string): Problem => ({
    path: [...at, key],
    message: registry === undefined ? message : `${registry}: ${message}`,
    at: 'value',
  });
  try {
    const { cert } = await readTlsFiles(files);
    const expired = cert === undefined ? undefined : expiryOf(cert);
    return { problems: [], warnings: expired === undefined ? [] : [finding('cert', expired)] };
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error;
    return { problems: [finding(error.key, error.message)], warnings: [] };
  }
}

function expiryOf(cert: string): string | undefined {
  const certificate = certificateIn(cert);
  if (certificate === undefined || certificate.validToDate.getTime() > Date.now()) return undefined;
  return `the certificate has expired: ${certificate.validTo}`;
}
