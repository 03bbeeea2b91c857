import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Flags } from '#src/config/load.ts';
import { FakeProxy } from '#test/fakes/fake-proxy.ts';
import { FakeTokenServer } from '#test/fakes/fake-token-server.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { secret } from '#test/fakes/secrets.ts';
import { json } from '#test/fakes/upstream-answers.ts';
import { basicAuth, failing } from '#test/fakes/upstream-faults.ts';

interface Around {
  readonly directory: string;
  readonly upstream: FakeUpstream;
  readonly tokens: FakeTokenServer;
  readonly proxy: FakeProxy;
}

type Registry = NonNullable<Flags['registries']>[number];

interface Failure {
  readonly what: string;
  /** What is configured for the registry; the rest is prepared here. */
  readonly set: (around: Around) => Partial<Registry> | Promise<Partial<Registry>>;
  /** Words that the log has and no client. */
  readonly ours: readonly string[];
  readonly told: RegExp;
}

const user = 'robot-of-team-a';
const password = secret('password');
const arn = 'arn:aws:sts::123456789012:assumed-role/pull-role/session';

const failures: readonly Failure[] = [
  {
    what: 'a user who is refused by the registry',
    set: ({ upstream }) => {
      upstream.faults.push(basicAuth('somebody', password));
      return { auth: { user, password } };
    },
    ours: [user],
    told: /answered 401, with the configured credential"/,
  },
  {
    what: 'a user who is refused by the token server',
    set: ({ upstream, tokens }) => {
      upstream.faults.push(tokens.fault);
      tokens.spoil(failing(401));
      return { auth: { user, password } };
    },
    ours: [user],
    told: /token server \S+ answered 401, with the configured credential"/,
  },
  {
    what: 'a role that the registry names in its refusal',
    set: ({ upstream }) => {
      const message = `User: ${arn} is not authorized to perform: ecr:BatchGetImage`;
      upstream.faults.push(() => json({ errors: [{ code: 'DENIED', message }] }, 403));
      return { auth: { token: { static: btoa(`AWS:${password}`) } } };
    },
    ours: [arn],
    told: /answered 403, with the configured credential"/,
  },
  {
    what: 'a program that gives no credentials',
    set: () => ({ auth: { token: { provider: 'exec', providerOpts: { command: '/opt/ours/no-helper' } } } }),
    ours: ['/opt/ours/no-helper'],
    told: /the configured credential cannot be had: “ociregistry doctor” on the server says why/,
  },
  {
    what: 'a file that holds no credentials',
    set: ({ directory }) => ({
      auth: { token: { provider: 'file', providerOpts: { path: `${directory}/none` } } },
    }),
    ours: ['DIR/none'],
    told: /the configured credential cannot be had: “ociregistry doctor” on the server says why/,
  },
  {
    what: 'a Docker configuration that is not there',
    set: ({ directory }) => ({
      auth: { token: { provider: 'dockerConfig', providerOpts: { path: `${directory}/none` } } },
    }),
    ours: ['DIR/none'],
    told: /the configured credential cannot be had: “ociregistry doctor” on the server says why/,
  },
  {
    what: 'a file of TLS that is no certificate',
    set: async ({ directory }) => {
      await writeFile(join(directory, 'ca.crt'), 'none');
      return { scheme: 'https', tls: { ca: join(directory, 'ca.crt') } };
    },
    ours: ['DIR/ca.crt'],
    told: /the TLS file is no PEM/,
  },
  {
    what: 'a proxy that is not there',
    set: () => ({ upstream: { proxy: `http://${user}:${password}@127.0.0.1:1` } }),
    ours: ['127.0.0.1:1,'],
    told: /no answer from the proxy, by which http:\S+ is reached \(connection refused/,
  },
  {
    what: 'a proxy whose name is not known',
    set: () => ({ upstream: { proxy: 'http://proxy~of~ours:3128' } }),
    ours: ['proxy~of~ours'],
    told: /no answer from the proxy, by which http:\S+ is reached \(it is no name, EBADNAME\)/,
  },
  {
    what: 'a proxy that refuses',
    set: ({ proxy }) => {
      proxy.refuses = 407;
      return { upstream: { proxy: proxy.url(`${user}:${password}`) } };
    },
    ours: ['the proxy 127.0.0.1:'],
    told: /the proxy gave no way to http:\S+: it answered 407/,
  },
];

describe('what of the configuration a client is told', () => {
  for (const { what, set, ours, told } of failures) {
    it(`is nothing of ${what}; the log says it`, async () => {
      await using stack = new AsyncDisposableStack();
      const { path: directory } = stack.use(await temporaryDirectory());
      const upstream = stack.use(await FakeUpstream.start());
      const tokens = stack.use(await FakeTokenServer.start());
      const proxy = stack.use(await FakeProxy.start());
      putImage(upstream.content, upstream.repository('team/app'), 'v1', []);
      const registry = await set({ directory, upstream, tokens, proxy });
      const log = new LogLines();
      const app = stack.use(
        await runApp(
          {
            imagePath: join(directory, 'cache'),
            registries: [{ name: upstream.host, scheme: 'http', alias: 'up', ...registry }],
            cache: { complete: false },
          },
          { log },
        ),
      );
      // The second may be answered by what is remembered of the first.
      for (const tag of ['v1', 'v2', 'v3', 'v4']) {
        const { status, headers, body } = await ask(app.server, `/v2/up/team/app/manifests/${tag}`);
        const text = `${JSON.stringify(headers)} ${body.toString()}`.replaceAll(directory, 'DIR');
        assert.ok(status >= 400, text);
        if (tag === 'v1') assert.match(text, told);
        for (const word of [...ours, user, 'DIR']) assert.ok(!text.includes(word), text);
      }
      const lines = log.lines.join('\n').replaceAll(directory, 'DIR');
      for (const word of ours) assert.ok(lines.includes(word), `${word}: ${lines}`);
    });
  }
});
