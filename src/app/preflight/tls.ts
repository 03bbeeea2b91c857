import { readRegularFile } from '../../base/bounded-file.ts';
import type { Problem } from '../../config/problem.ts';
import type { Config } from '../../config/schema.ts';
import type { Path } from '../../config/schema-tree.ts';
import { certificateIn, maxBytes, readTlsFiles, TlsFileError, type TlsFiles } from '../tls-files.ts';

interface Named {
  readonly at: Path;
  readonly files: TlsFiles;
}

/** All groups of TLS files that the configuration names. Behind an air gap no registry is asked. */
function groupsOf({ serverTlsConfig, upstream, registries, airGapped }: Config): Named[] {
  const server: Named = { at: ['serverTlsConfig'], files: serverTlsConfig };
  if (airGapped) return [server];
  return [
    server,
    { at: ['upstream'], files: authority(upstream.ca) },
    ...registries.flatMap(({ tls, upstream: own }, index): Named[] => [
      { at: ['registries', index, 'tls'], files: tls },
      { at: ['registries', index, 'upstream'], files: authority(own.ca ?? '') },
    ]),
  ];
}

function authority(ca: string): TlsFiles {
  return { cert: '', key: '', ca };
}

/** One for each group, the first. */
export async function tlsProblems(config: Config): Promise<Problem[]> {
  return (await Promise.all(groupsOf(config).map(problemOf))).flat();
}

async function problemOf({ at, files }: Named): Promise<Problem[]> {
  try {
    await readTlsFiles(files);
    return [];
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error;
    return [{ path: [...at, error.key], message: error.message, at: 'value' }];
  }
}

/** With an expired certificate it starts, and nobody comes in. */
export async function expiryWarnings(config: Config): Promise<Problem[]> {
  const found = groupsOf(config).map(async ({ at, files: { cert } }): Promise<Problem[]> => {
    if (cert === '') return [];
    const certificate = certificateIn(await readRegularFile(cert, maxBytes).then(String, () => ''));
    if (certificate === undefined || certificate.validToDate.getTime() > Date.now()) return [];
    return [{ path: [...at, 'cert'], message: `it has expired: ${certificate.validTo}`, at: 'value' }];
  });
  return (await Promise.all(found)).flat();
}
