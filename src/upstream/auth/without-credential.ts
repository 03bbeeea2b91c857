import { RegistryError } from '../../oci/error.ts';
import { Wording } from '../../oci/wording.ts';

/**
 * A source of credentials gave none. It says why by files, programs, accounts and addresses of ours: that is for whoever runs this server.
 * What is no RegistryError stays itself.
 */
export function withoutCredential(error: unknown): unknown {
  if (!(error instanceof RegistryError)) return error;
  const { code, status, headers, cause, wording } = error;
  const forClients = 'the configured credential cannot be had: “ociregistry doctor” on the server says why';
  return new RegistryError(code, new Wording(forClients, wording.forOperator), { status, headers, cause });
}
