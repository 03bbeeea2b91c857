import { randomUUID } from 'node:crypto';
import { programOf } from '../../setup/needs.ts';
import type { TokenServer } from './docker-registry.ts';
import { Program as Running } from './program.ts';

/** It initialises its database and compiles itself with the first start. Milliseconds. */
const startLimitMs = 180_000;
const realm = 'cache';
const client = 'registry';

export interface RealmSettings {
  readonly user: string;
  readonly password: string;
  /** Of the registry’s tokens, in seconds. */
  readonly tokenLife: number;
  /** A program that may have tokens of OpenID Connect for itself (`client_credentials`): with this role of the realm, for this audience. */
  readonly program?: Program & { readonly role: string; readonly audience: string };
}

interface Program {
  readonly id: string;
  readonly secret: string;
}

/** Keycloak with one realm, one user, and one client of the protocol `docker-v2`: a token server that others have made. */
export class Keycloak implements AsyncDisposable {
  readonly #program: Running;
  readonly #url: string;
  readonly #admin: string;

  private constructor(program: Running, url: string, admin: string) {
    this.#program = program;
    this.#url = url;
    this.#admin = admin;
  }

  static async start(settings: RealmSettings): Promise<Keycloak> {
    await using resources = new AsyncDisposableStack();
    const admin = randomUUID();
    const where = ['--http-host=127.0.0.1', '--http-port=0', '--db=dev-mem'];
    const program = resources.use(
      new Running(programOf('kc.sh'), ['start-dev', '--features=docker', ...where], {
        KC_BOOTSTRAP_ADMIN_USERNAME: 'admin',
        KC_BOOTSTRAP_ADMIN_PASSWORD: admin,
      }),
    );
    const [, url = ''] = await program.line(/Listening on: (http:\/\/127\.0\.0\.1:\d+)/, startLimitMs);
    const keycloak = new Keycloak(program, url, admin);
    await keycloak.#ask('admin/realms', realmOf(settings));
    resources.move();
    return keycloak;
  }

  /** What a registry has to be told of it. */
  async tokenServer(): Promise<TokenServer> {
    const { keys } = (await this.#ask(`admin/realms/${realm}/keys`)) as {
      keys: { algorithm: string; use: string; certificate?: string }[];
    };
    const signing = keys.find(({ algorithm, use }) => algorithm === 'RS256' && use === 'SIG');
    return {
      realm: `${this.#url}/realms/${realm}/protocol/docker-v2/auth`,
      service: client,
      issuer: `${this.#url}/realms/${realm}`,
      certificates: `-----BEGIN CERTIFICATE-----\n${signing?.certificate}\n-----END CERTIFICATE-----\n`,
    };
  }

  /** A token of OpenID Connect, for the program itself. */
  async tokenFor({ id, secret }: Program): Promise<string> {
    const form = { grant_type: 'client_credentials', client_id: id, client_secret: secret };
    const at = `${this.#url}/realms/${realm}/protocol/openid-connect/token`;
    const answer = await fetch(at, { method: 'POST', body: new URLSearchParams(form) });
    const { access_token: token } = (await answer.json()) as { access_token?: string };
    if (token === undefined) throw new Error(`Keycloak answered ${answer.status} and no token`);
    return token;
  }

  /** How many tokens the user has had so far. */
  async countLogins(): Promise<number> {
    const events = await this.#ask(`admin/realms/${realm}/events?type=LOGIN&max=1000`);
    return (events as unknown[]).length;
  }

  /** From now on connections are refused. */
  async stop(): Promise<void> {
    await this.#program.stop('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }

  /** The admin API; a body is posted. */
  async #ask(path: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(`${this.#url}/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${await this.#token()}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`Keycloak answered ${answer.status} to ${path}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  async #token(): Promise<string> {
    const answer = await fetch(`${this.#url}/realms/master/protocol/openid-connect/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'password',
        client_id: 'admin-cli',
        username: 'admin',
        password: this.#admin,
      }),
    });
    return ((await answer.json()) as { access_token: string }).access_token;
  }
}

function realmOf({ user, password, tokenLife, program }: RealmSettings) {
  return {
    realm,
    enabled: true,
    sslRequired: 'none',
    accessTokenLifespan: tokenLife,
    eventsEnabled: true,
    enabledEventTypes: ['LOGIN', 'LOGIN_ERROR'],
    clients: [
      { clientId: client, protocol: 'docker-v2', enabled: true },
      ...(program === undefined ? [] : [clientOf(program)]),
    ],
    ...(program !== undefined && { roles: { realm: [{ name: program.role }] } }),
    users: [
      {
        username: user,
        enabled: true,
        credentials: [{ type: 'password', value: password, temporary: false }],
        // Without these it wants the user to complete the profile first.
        email: 'robot@example.com',
        emailVerified: true,
        firstName: 'R',
        lastName: 'Obot',
      },
      ...(program === undefined ? [] : [accountOf(program)]),
    ],
  };
}

function clientOf({ id, secret, audience }: NonNullable<RealmSettings['program']>) {
  return {
    ...{ clientId: id, secret, protocol: 'openid-connect', enabled: true },
    ...{ serviceAccountsEnabled: true, standardFlowEnabled: false, publicClient: false },
    protocolMappers: [
      {
        ...{ name: 'audience', protocol: 'openid-connect', protocolMapper: 'oidc-audience-mapper' },
        config: { 'included.custom.audience': audience, 'access.token.claim': 'true' },
      },
    ],
  };
}

/** What its tokens name as their user. */
function accountOf({ id, role }: NonNullable<RealmSettings['program']>) {
  return {
    ...{ username: `service-account-${id}`, enabled: true, serviceAccountClientId: id },
    realmRoles: [role],
  };
}
