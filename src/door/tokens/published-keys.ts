import { jsonObject } from '../../json/json-object.ts';
import { readBody } from '../../net/body.ts';
import type { Transport } from '../../net/transport.ts';
import { RegistryError } from '../../oci/error.ts';

const maxBytes = 256 * 1024;
/** RFC 7517 section 8.5 has a type of its own for keys; Kubernetes answers 406 to whoever takes the other alone. */
const accepted = 'application/json, application/jwk-set+json';

type Json = Readonly<Record<string, unknown>>;

/** What an issuer publishes: its JSON Web Key Set, where `jwksUrl` or else its OpenID configuration says. Rejects with RegistryError: UNAVAILABLE. */
export async function publishedKeys(
  issuer: string,
  jwksUrl: string | undefined,
  transport: Transport,
): Promise<Json> {
  const url = jwksUrl === undefined ? await keysUrl(issuer, transport) : new URL(jwksUrl);
  return await jsonAt(url, transport);
}

/** By OpenID Connect Discovery section 4: the configuration must be the issuer's own. */
async function keysUrl(issuer: string, transport: Transport): Promise<URL> {
  const at = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const { issuer: named, jwks_uri: text } = await jsonAt(at, transport);
  const url = typeof text === 'string' && named === issuer ? URL.parse(text) : null;
  // What was to come by TLS does not come without.
  if (url === null || (url.protocol !== 'https:' && url.protocol !== at.protocol))
    throw new RegistryError('UNAVAILABLE', `${at.origin} has no OpenID configuration of this issuer`);
  return url;
}

async function jsonAt(url: URL, transport: Transport): Promise<Json> {
  await using answer = await transport.send({
    ...{ method: 'GET', url, headers: { accept: accepted }, maxBodyBytes: maxBytes },
  });
  const what = `the answer of ${url.origin} is`;
  if (answer.status !== 200)
    throw new RegistryError(
      'UNAVAILABLE',
      `${url.origin} answered ${answer.status} where its keys should be`,
    );
  const json = jsonObject((await readBody(answer, { maxBytes, what })).toString('utf8'));
  if (json === undefined) throw new RegistryError('UNAVAILABLE', `${what} no JSON`);
  return json;
}
