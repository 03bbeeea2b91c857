import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { programOf } from '../../setup/needs.ts';
import { command } from './command.ts';
import { freePort } from './free-port.ts';
import { Program } from './program.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { until } from './until.ts';

/** A service account. */
export interface Account {
  readonly namespace: string;
  readonly name: string;
}

/** An API server of Kubernetes on loopback, with an etcd of its own and nothing else: no node, no controller. */
export class KubeApiserver implements AsyncDisposable {
  readonly #port: number;
  readonly #authority: TestAuthority;
  readonly #admin: string;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    port: number,
    authority: TestAuthority,
    admin: string,
    resources: AsyncDisposableStack,
  ) {
    this.#port = port;
    this.#authority = authority;
    this.#admin = admin;
    this.#resources = resources;
  }

  static async start(): Promise<KubeApiserver> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    const authority = resources.use(await TestAuthority.create());
    const [port, clients, peers] = [await freePort(), await freePort(), await freePort()];
    const store = `http://127.0.0.1:${clients}`;
    const own = `http://127.0.0.1:${peers}`;
    resources.use(
      new Program(programOf('etcd'), [
        ...[`--data-dir=${join(path, 'etcd')}`, `--listen-client-urls=${store}`],
        ...[`--advertise-client-urls=${store}`, `--listen-peer-urls=${own}`],
        ...[`--initial-advertise-peer-urls=${own}`, `--initial-cluster=default=${own}`],
      ]),
    );
    const admin = randomUUID();
    await writeFile(join(path, 'tokens.csv'), `${admin},admin,admin,system:masters\n`);
    const accountKey = join(path, 'account.key');
    const algorithm = ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'];
    await command(programOf('openssl'), ['genpkey', ...algorithm, '-out', accountKey]);
    const { certFile, keyFile } = await authority.issue('apiserver', 'IP:127.0.0.1');
    const url = `https://127.0.0.1:${port}`;
    resources.use(
      new Program(programOf('kube-apiserver'), [
        ...[`--etcd-servers=${store}`, '--bind-address=127.0.0.1', `--secure-port=${port}`],
        // Of nobody (RFC 5737); it refuses one of loopback.
        ...['--advertise-address=192.0.2.1', '--service-cluster-ip-range=198.51.100.0/24'],
        ...[`--tls-cert-file=${certFile}`, `--tls-private-key-file=${keyFile}`, `--cert-dir=${path}`],
        ...[`--token-auth-file=${join(path, 'tokens.csv')}`, '--authorization-mode=RBAC'],
        ...[`--service-account-issuer=${url}`, `--service-account-jwks-uri=${url}/openid/v1/jwks`],
        ...[`--service-account-signing-key-file=${accountKey}`, `--service-account-key-file=${accountKey}`],
      ]),
    );
    const server = new KubeApiserver(port, authority, admin, resources);
    await until('the API server is ready', async () => await server.#isReady());
    return new KubeApiserver(port, authority, admin, resources.move());
  }

  /** `iss` of the tokens of service accounts. */
  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  /** Of the authority of its certificate. */
  get caFile(): string {
    return this.#authority.caFile;
  }

  async create({ namespace, name }: Account): Promise<void> {
    await this.#post('/api/v1/namespaces', { metadata: { name: namespace } }, [201, 409]);
    await this.#post(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } }, [201]);
  }

  /** As a pod gets it that projects one. Undefined: for the API server itself. */
  async token({ namespace, name }: Account, audience?: string): Promise<string> {
    const spec = { expirationSeconds: 600, ...(audience !== undefined && { audiences: [audience] }) };
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const { status } = (await this.#post(path, { spec }, [201])) as { status: { token: string } };
    return status.token;
  }

  /** Whoever asks may see the keys, as the administrator of a cluster decides. */
  async publishKeys(): Promise<void> {
    const rbac = 'rbac.authorization.k8s.io';
    await this.#post(
      `/apis/${rbac}/v1/clusterrolebindings`,
      {
        metadata: { name: 'keys-for-all' },
        roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'system:service-account-issuer-discovery' },
        subjects: [{ apiGroup: rbac, kind: 'Group', name: 'system:unauthenticated' }],
      },
      [201],
    );
    const shown = async (): Promise<boolean> =>
      (await this.#asked('GET', '/openid/v1/jwks', { authorization: '' })).status === 200;
    await until('the keys are shown to nobody in particular', shown);
  }

  /** The JSON Web Key Set, as `kubectl get --raw /openid/v1/jwks` shows it. */
  async keys(): Promise<string> {
    return (await this.#asked('GET', '/openid/v1/jwks')).body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await this.#asked('GET', '/readyz')).status === 200;
    } catch {
      return false;
    }
  }

  async #post(path: string, body: object, wanted: readonly number[]): Promise<unknown> {
    const answer = await this.#asked('POST', path, { body: JSON.stringify(body) });
    if (!wanted.includes(answer.status)) throw new Error(`${answer.status} for ${path}: ${answer.body}`);
    return JSON.parse(answer.body);
  }

  async #asked(
    method: string,
    path: string,
    { body = '', authorization = `Bearer ${this.#admin}` }: { body?: string; authorization?: string } = {},
  ): Promise<{ status: number; body: string }> {
    const ca = await readFile(this.caFile);
    const headers = { 'content-type': 'application/json', ...(authorization !== '' && { authorization }) };
    const asking = Promise.withResolvers<IncomingMessage>();
    request(`${this.url}${path}`, { method, ca, headers }, asking.resolve)
      .on('error', asking.reject)
      .end(body);
    const response = await asking.promise;
    return { status: response.statusCode ?? 0, body: await text(response) };
  }
}
