import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Soon } from '../base/soon.ts';
import { type CredentialKind, configuredKinds } from '../config/doors.ts';
import { pathText } from '../config/path-text.ts';
import type { Config } from '../config/schema.ts';
import { Challenges, type DoorAction, type Realms } from '../door/identity/challenges.ts';
import { Identification, type Refuse, type Scheme, type Shown } from '../door/identity/identification.ts';
import { PasswordChecks } from '../door/identity/password-checks.ts';
import { Passwords } from '../door/identity/passwords.ts';
import type { Prove } from '../door/identity/proof.ts';
import { UserFile } from '../door/identity/user-file.ts';
import type { Judge, Subject } from '../door/subject.ts';
import { DockerTokenService } from '../door/tokens/docker-token-service.ts';
import { refreshMs } from '../door/tokens/docker-tokens.ts';
import { KeyRing } from '../door/tokens/key-ring.ts';
import { TokenEndpoints } from '../door/tokens/token-endpoints.ts';
import { TokenProofs, type TokenSource } from '../door/tokens/token-proofs.ts';
import type { Exchange } from '../http/exchange/exchange.ts';
import { RegistryError } from '../oci/error.ts';
import type { RepositoryName } from '../oci/reference.ts';
import { givenSigningKey, htpasswdFault, IdentityFault } from './identity-files.ts';
import { issuerSources } from './issuers.ts';
import { keysFile } from './keys-file.ts';
import { nameInUrls } from './name-in-urls.ts';
import type { Dialling } from './notifying.ts';
import { dockerTokens, oauthOf } from './own-tokens.ts';

type Auth = NonNullable<Config['auth']>;

export interface IdentityParts {
  readonly dialling: Dialling;
  readonly judge: Judge;
  /** May he see the names of all repositories? */
  readonly mayList: (subject: Subject) => boolean;
  readonly repositoryNamed: (name: string) => RepositoryName | undefined;
  /** Where whoever asks for a token is. */
  readonly addressOf: (exchange: Exchange) => string | undefined;
  /** The name in his certificate, which was verified. Undefined: he has shown none. */
  readonly certificateOf: (exchange: Exchange) => string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** How a caller becomes known at one door. */
interface IdentityThere {
  /** Nothing shown: nobody. Throws UNAUTHORIZED with a challenge for what is wrong, what `beforeLook` throws, TOOMANYREQUESTS (429), UNAVAILABLE (503). */
  readonly identify: (caller: Shown, beforeLook: () => Soon<void>) => Soon<Subject>;
  /** `WWW-Authenticate` for whoever needs more than he has shown. Undefined: nobody can show anything. */
  readonly challenge:
    | ((action: DoorAction, repository: RepositoryName | undefined, error?: string) => string)
    | undefined;
  /** Where he gets a token that is taken there. */
  readonly tokens: TokenEndpoints;
}

/** Everything by which clients are known. */
export interface Identities extends AsyncDisposable {
  /** `kinds`: what is taken at that door. Default: all that is configured. */
  at(kinds?: readonly CredentialKind[]): IdentityThere;
}

/** Undefined: nobody is asked who he is. Throws an Error that names the key of what cannot be used, before anything listens. */
export async function openIdentities(config: Config, parts: IdentityParts): Promise<Identities | undefined> {
  if (config.auth === undefined) return undefined;
  await using stack = new AsyncDisposableStack();
  const opened = await withKeyNamed(async () => await opening(config, config.auth as Auth, parts, stack));
  const kept = stack.move();
  return { ...opened, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}

async function opening(
  config: Config,
  auth: Auth,
  parts: IdentityParts,
  stack: AsyncDisposableStack,
): Promise<Pick<Identities, 'at'>> {
  const { clock, log } = parts;
  const users = auth.basic && stack.use(await userFile(auth.basic.htpasswdFile, { clock, log }));
  const passwords = users && new Passwords(users, stack.use(new PasswordChecks()), clock);
  const keys = await keyRing(config, auth, clock);
  const docker = dockerTokens(auth, { keys, users, clock });
  // One for all where a token is had for a password: who was right at one of them is known at the others.
  const byPassword = passwords && new Identification({ clock, schemes: { basic: passwords.prove } });
  const { addressOf } = parts;
  const oauth = await oauthOf(config, auth, { keys, users, byPassword, addressOf, clock });
  const issuers = await issuerSources(config, auth.issuers, parts, stack);
  const sources: Readonly<Record<CredentialKind, readonly TokenSource[]>> = {
    basic: [],
    tokenService: docker === undefined ? [] : [docker.source],
    oauth: oauth === undefined ? [] : [oauth.source],
    issuers,
  };
  const service =
    docker &&
    byPassword &&
    new DockerTokenService({
      ...parts,
      tokens: docker.tokens,
      service: auth.tokenService?.service ?? '',
      identification: byPassword,
    });
  return {
    at: (kinds = configuredKinds(auth)) => ({
      ...identityAt(config, auth, kinds, {
        basic: kinds.includes('basic') ? passwords?.prove : undefined,
        sources: kinds.flatMap((kind) => sources[kind]),
        clock,
      }),
      tokens: new TokenEndpoints({
        docker: kinds.includes('tokenService') ? service : undefined,
        oauth: (kinds.includes('oauth') && oauth?.endpoints) || [],
        keys: kinds.includes('tokenService') || kinds.includes('oauth') ? keys : undefined,
      }),
    }),
  };
}

/** At a door where nothing of it is taken nobody can be known, and nobody is asked. */
function identityAt(
  config: Config,
  auth: Auth,
  kinds: readonly CredentialKind[],
  { basic, sources, clock }: { basic: Prove | undefined; sources: readonly TokenSource[]; clock: Clock },
): Omit<IdentityThere, 'tokens'> {
  const bearer = sources.length === 0 ? undefined : new TokenProofs(sources, clock).prove;
  const schemes = { ...(basic !== undefined && { basic }), ...(bearer !== undefined && { bearer }) };
  const identification = new Identification({ clock, schemes });
  const nameOf = nameInUrls(config);
  const challenges = new Challenges({ ...realmsOf(config, auth, kinds), nameOf });
  const refuse: Refuse = (scheme: Scheme | undefined, why) =>
    new RegistryError('UNAUTHORIZED', why, {
      headers: { 'WWW-Authenticate': challenges.refusal(scheme === 'bearer') },
    });
  return {
    identify: (caller, beforeLook) => identification.identify(caller, refuse, beforeLook),
    challenge:
      basic === undefined && bearer === undefined
        ? undefined
        : (action, repository, error) => challenges.of(action, repository, error),
  };
}

/**
 * Where clients of this door get what it takes. Where none of it is for Docker's clients the realm is still a URL of ours, where one is known: some of them look at it before they show the token that
 * they have.
 */
function realmsOf(
  { publicUrl }: Config,
  { basic, tokenService, oauth, issuers }: Auth,
  kinds: readonly CredentialKind[],
): Realms {
  const isBasic = basic !== undefined && kinds.includes('basic');
  if (tokenService !== undefined && kinds.includes('tokenService'))
    return { bearer: { realm: `${publicUrl}/v2/token`, service: tokenService.service }, basic: isBasic };
  const asked = kinds.includes('issuers') ? issuers.find(({ realm }) => realm !== undefined) : undefined;
  if (asked?.realm !== undefined)
    return { bearer: { realm: asked.realm, service: asked.audience }, basic: isBasic };
  if (isBasic || publicUrl === '') return { bearer: undefined, basic: isBasic };
  const path = oauth !== undefined && kinds.includes('oauth') ? '/token' : '/v2/';
  return { bearer: { realm: `${publicUrl}${path}`, service: undefined }, basic: false };
}

async function userFile(
  path: string,
  parts: { readonly clock: Clock; readonly log: Log },
): Promise<UserFile> {
  try {
    return await UserFile.open(path, parts);
  } catch (error) {
    throw htpasswdFault(path, error);
  }
}

/** Undefined: nothing is signed by a key. */
async function keyRing({ imagePath }: Config, auth: Auth, clock: Clock): Promise<KeyRing | undefined> {
  const { tokenService, oauth } = auth;
  if (tokenService === undefined && oauth?.signing.algorithm !== 'ES256') return undefined;
  const given = await givenSigningKey(auth);
  const longestMs = Math.max(refreshMs, tokenService?.expiry ?? 0, oauth?.expiry ?? 0);
  return await KeyRing.open({ path: join(imagePath, keysFile), given, longestMs, clock });
}

async function withKeyNamed<Value>(open: () => Promise<Value>): Promise<Value> {
  try {
    return await open();
  } catch (cause) {
    if (!(cause instanceof IdentityFault)) throw cause;
    throw new Error(`${pathText(cause.path)}: ${cause.message}`, { cause });
  }
}
