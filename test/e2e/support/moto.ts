import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { programOf } from '../../setup/needs.ts';
import { Program } from './program.ts';

/** One call as AWS sees it. */
export interface AwsCall {
  /** `GetAuthorizationToken`, `AssumeRole` */
  readonly action: string;
  readonly accessKey: string;
  readonly region: string;
}

interface TokenAnswer {
  readonly authorizationData: readonly { authorizationToken: string; expiresAt: number }[];
}

/**
 * Moto, an imitation of AWS that others have made, behind a door that writes down who asks for what. Its tokens of ECR are
 * always the same and have always expired in 2015.
 */
export class Moto implements AsyncDisposable {
  readonly calls: AwsCall[] = [];
  /** Instead of moto’s answer. */
  outOfOrder: number | undefined;
  /** Each token is another, `AWS:<account>-auth-token-<n>`, and lives for twelve hours. */
  rotates = false;
  readonly #door: Server;
  readonly #resources: AsyncDisposableStack;

  private constructor(url: string, resources: AsyncDisposableStack) {
    this.#resources = resources;
    this.#door = createServer((request, response) => {
      this.#pass(url, request).then(
        ({ status, body, type }) => response.writeHead(status, { 'content-type': type }).end(body),
        () => response.destroy(),
      );
    });
  }

  static async start(): Promise<Moto> {
    await using resources = new AsyncDisposableStack();
    const program = resources.use(new Program(programOf('moto_server'), ['-H', '127.0.0.1', '-p', '0']));
    const [, url = ''] = await program.line(/Running on (http:\/\/127\.0\.0\.1:\d+)/);
    const moto = new Moto(url, resources.move());
    moto.#door.listen(0, '127.0.0.1');
    await once(moto.#door, 'listening');
    return moto;
  }

  /** What makes the AWS SDK ask here, and nobody else. */
  get environment(): Record<string, string> {
    const { port } = this.#door.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const names = Object.keys(process.env).filter((name) => name.startsWith('AWS_'));
    const emptied = Object.fromEntries(names.map((name) => [name, '']));
    return {
      ...emptied,
      AWS_ENDPOINT_URL_ECR: url,
      AWS_ENDPOINT_URL_STS: url,
      AWS_EC2_METADATA_DISABLED: 'true',
    };
  }

  /** As if it had just been started. */
  reset(): void {
    this.calls.length = 0;
    this.outOfOrder = undefined;
    this.rotates = false;
  }

  /** How many tokens of ECR were asked for. */
  get tokens(): number {
    return this.calls.filter(({ action }) => action === 'GetAuthorizationToken').length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#door, 'close');
    this.#door.close();
    this.#door.closeAllConnections();
    await closed;
    await this.#resources[Symbol.asyncDispose]();
  }

  async #pass(url: string, request: IncomingMessage) {
    const body = await read(request);
    const call = callOf(request, body);
    this.calls.push(call);
    if (this.outOfOrder !== undefined)
      return { status: this.outOfOrder, body: '{}', type: 'application/json' };
    const { method = 'GET', url: path = '/' } = request;
    const answer = await fetch(`${url}${path}`, { method, headers: passed(request), body });
    const text = await answer.text();
    const isToken = call.action === 'GetAuthorizationToken' && answer.status === 200;
    const changed = isToken && this.rotates ? this.#rotated(JSON.parse(text)) : text;
    return { status: answer.status, body: changed, type: answer.headers.get('content-type') ?? '' };
  }

  #rotated({ authorizationData }: TokenAnswer): string {
    const [data] = authorizationData;
    const token = Buffer.from(data?.authorizationToken ?? '', 'base64').toString();
    const authorizationToken = Buffer.from(`${token}-${this.tokens}`).toString('base64');
    const expiresAt = Date.now() / 1000 + 12 * 3600;
    return JSON.stringify({ authorizationData: [{ ...data, authorizationToken, expiresAt }] });
  }
}

async function read(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  return body;
}

function callOf({ headers }: IncomingMessage, body: string): AwsCall {
  const target = String(headers['x-amz-target'] ?? '').split('.')[1];
  const [, accessKey = '', region = ''] =
    /Credential=([^/]+)\/\d+\/([^/]+)\//.exec(headers.authorization ?? '') ?? [];
  return { action: target ?? new URLSearchParams(body).get('Action') ?? '', accessKey, region };
}

function passed({ headers }: IncomingMessage): Record<string, string> {
  const kept = ['authorization', 'content-type', 'x-amz-target', 'x-amz-date', 'x-amz-security-token'];
  return Object.fromEntries(kept.flatMap((name) => (headers[name] ? [[name, String(headers[name])]] : [])));
}
