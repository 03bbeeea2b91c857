import { Agent, request as httpRequest } from 'node:http';
import { Admission } from '#src/app/admission.ts';
import type { Log } from '#src/base/log.ts';
import type { CachePolicy } from '#src/cache/cache-parts.ts';
import { AddressBlocks } from '#src/door/address-blocks.ts';
import { Limiter } from '#src/door/rate/limiter.ts';
import { AccessRules } from '#src/door/rules/access-rules.ts';
import type { Subject } from '#src/door/subject.ts';
import type { Access, Caller } from '#src/http/authorise.ts';
import type { FinishedAnswers } from '#src/http/finished-answers.ts';
import type { RunningServer } from '#src/http/server.ts';
import type { ObservedRequest } from '#src/observe/observer.ts';
import { RegistryError } from '#src/oci/error.ts';
import type { Registry } from '#src/oci/registry.ts';
import type { Changes } from '#src/storage/operation.ts';
import { CacheUnderTest } from './cache-under-test.ts';
import { serveRegistry } from './registry-server.ts';
import { scriptedIndex } from './scripted-index.ts';

/** A request in its client's words. */
export interface Sent {
  readonly method: string;
  /** As it stands in the request line. */
  readonly target: string;
  /** Names and values in turn. */
  readonly headers?: readonly string[];
}

/** What a client has of an answer, but for the moment; an id that the server chose itself is `its own`. */
interface Had {
  readonly status: number | undefined;
  readonly headers: readonly string[];
  readonly body: string;
}

const ownId = /^[0-9a-f]{8}-[0-9a-z]+$/;

/**
 * A server before a cache, of which all is seen that anybody can see, but for times and the server's own ids. Whoever shows `no` is refused, `later` is
 * admitted when he was looked up, `never` refused then. Anybody else who shows a name is that, and goes by rules and a limit; `slow …` is looked up.
 */
export class WatchedServer implements AsyncDisposable {
  readonly cache: CacheUnderTest;
  /** Calls of the registry by the server's handlers. */
  calls = 0;
  isDraining = false;
  /** Does upstream not answer? */
  isAway = false;
  /** Tells of what another process has changed. */
  tell: (changes: Changes) => void = () => {};
  readonly #admission = admission();
  readonly #seen: unknown[] = [];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #server: RunningServer | undefined;

  private constructor(policy: Partial<CachePolicy>) {
    const metadata = scriptedIndex((store) => ({
      watch: (listener) => {
        this.tell = listener;
        return { [Symbol.dispose]() {} };
      },
      change: async (operations) => {
        for (const operation of operations) if (operation.kind === 'record uses') this.#seen.push(operation);
        await store.change(operations);
      },
    }));
    this.cache = new CacheUnderTest({ policy, metadata });
    this.cache.upstream.script = () => {
      if (this.isAway) throw new RegistryError('UNAVAILABLE', 'away');
    };
  }

  static async start(
    finished: FinishedAnswers | 'none',
    policy: Partial<CachePolicy> = {},
  ): Promise<WatchedServer> {
    const made = new WatchedServer(policy);
    made.#server = await serveRegistry(made.#counted(made.cache.registry), {
      finished,
      log: made.#log(),
      observer: {
        request: (request) => made.#seen.push(withoutTime(request)),
        upstreamCall() {},
        upstreamBytes() {},
      },
      admit: () => {
        if (made.isDraining) throw new RegistryError('UNAVAILABLE', 'stopping', { status: 503 });
      },
      authorise: (access) => made.#judge(access),
    });
    return made;
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  /** What was logged, counted, asked about callers and of upstream, and recorded as use since this was last asked. */
  seen(): readonly unknown[] {
    return [...this.#seen.splice(0), ...this.cache.upstream.calls.splice(0)];
  }

  /** Settles when all that is done behind the answer is done. */
  async ask({ method, target, headers = [] }: Sent): Promise<Had> {
    const had = await new Promise<Had>((resolve, reject) => {
      const request = httpRequest({
        ...{ host: '127.0.0.1', port: this.port, agent: this.#agent, method, path: target },
        headers: ['Host', 'cache:8080', ...headers],
      });
      request.on('error', reject);
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode,
            headers: comparable(response.rawHeaders),
            body: Buffer.concat(chunks).toString('latin1'),
          }),
        );
      });
      request.end();
    });
    await this.cache.settle();
    return had;
  }

  #judge(access: Access): void | Promise<void> {
    const { action, request, repository, caller } = access;
    this.#seen.push({ action, request: { ...request }, repository, by: caller.authorization });
    if (caller.authorization === 'no') throw new RegistryError('DENIED', 'at once');
    if (caller.authorization === 'later') return new Promise((resolve) => setImmediate(resolve));
    if (caller.authorization === 'never') return Promise.reject(new RegistryError('DENIED', 'later'));
    if (caller.authorization !== undefined) return this.#admission.authorise(access);
  }

  #log(): Log {
    const at =
      (level: string) =>
      ({ ms: _, id, ...fields }: Readonly<Record<string, unknown>>, message: string): void => {
        this.#seen.push({ level, message, id: comparableId(id), ...fields });
      };
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }

  #counted(registry: Registry): Registry {
    return new Proxy(registry, {
      get: (target, key) => {
        const member: unknown = Reflect.get(target, key);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          this.calls += 1;
          return Reflect.apply(member, target, args);
        };
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    await this.#server?.[Symbol.asyncDispose]();
    await this.cache[Symbol.asyncDispose]();
  }
}

/** Who may pull alpine may not pull everything. After twelve requests of each there are no more. */
function admission(): Admission {
  const counts = new Map<string, number>();
  const limiter = new Limiter(
    { requests: 12, per: 60_000, window: 'fixed', by: 'client', onStoreError: 'allow' },
    {
      count: (client) => {
        const count = (counts.get(client) ?? 0) + 1;
        counts.set(client, count);
        return { isOver: count > 12, remaining: Math.max(0, 12 - count), resetMs: 1000 };
      },
      isOver: (client) => (counts.get(client) ?? 0) >= 12,
    },
  );
  const subjects = new Map<string, Subject>();
  const identify = ({ authorization: id = '', address }: Caller): Subject | Promise<Subject> => {
    const subject = subjects.get(id) ?? { id, by: 'password', groups: [], address };
    subjects.set(id, subject);
    return id.startsWith('slow') ? Promise.resolve(subject) : subject;
  };
  const alpine = ['docker.io/library/alpine'];
  return new Admission({
    ...{ identity: { identify }, limiter, trustedProxies: new AddressBlocks(['127.0.0.1']) },
    rules: new AccessRules([
      { name: 'ann', who: { user: 'ann' }, repositories: ['**'], actions: ['pull'] },
      { name: 'slow ann', who: { user: 'slow ann' }, repositories: alpine, actions: ['pull'] },
      { name: 'bob', who: { user: 'bob' }, repositories: ['docker.io/acme/*'], actions: ['pull'] },
    ]),
    content: undefined,
    repositoryNamed: () => undefined,
  });
}

function withoutTime({ firstByteSeconds: _, ...request }: ObservedRequest): unknown {
  return request;
}

function comparableId(id: unknown): unknown {
  return typeof id === 'string' && ownId.test(id) ? 'its own' : id;
}

function comparable(raw: readonly string[]): string[] {
  const lines: string[] = [];
  for (let at = 0; at < raw.length; at += 2)
    if (raw[at] !== 'Date') lines.push(`${raw[at]}: ${comparableId(raw[at + 1])}`);
  // Where they stand among the others says nothing.
  return lines.toSorted((one, other) => Number(isOfLimit(one)) - Number(isOfLimit(other)));
}

function isOfLimit(line: string): boolean {
  return line.startsWith('RateLimit-');
}
