import { type ErrorCode, RegistryError } from '../oci/error.ts';
import { worded } from '../oci/wording.ts';

/** What a registry says of a name that is not there, or is not for us: Docker Hub's answer to such a name is 401. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  'NAME_UNKNOWN',
  'MANIFEST_UNKNOWN',
  'BLOB_UNKNOWN',
  'DENIED',
  'UNAUTHORIZED',
]);

/** The same error, with the alias that was perhaps meant where the default registry was asked for want of a better one. */
export function withAliasHint(error: unknown, aliasMeant: () => string | undefined): unknown {
  if (!(error instanceof RegistryError) || !refusals.has(error.code)) return error;
  const alias = aliasMeant();
  if (alias === undefined) return error;
  const { code, wording, status, detail, headers } = error;
  const hint = worded`${wording}; did you mean the alias "${alias}"?`;
  return new RegistryError(code, hint, { status, detail, headers, cause: error });
}
