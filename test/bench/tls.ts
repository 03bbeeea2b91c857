import { readFile } from 'node:fs/promises';
import { TestAuthority } from '#test/fakes/certificates.ts';

/** What all that speak TLS in a run have: one certificate for 127.0.0.1, and whom to trust. Files in PEM. */
export interface Tls {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  /** What is in `caFile`. */
  readonly ca: string;
}

/** Its files go with the stack. */
export async function temporaryTls(resources: AsyncDisposableStack): Promise<Tls> {
  const authority = resources.use(await TestAuthority.create());
  const pair = await authority.issue('server', 'IP:127.0.0.1');
  return { ...pair, caFile: authority.caFile, ca: await readFile(authority.caFile, 'utf8') };
}
