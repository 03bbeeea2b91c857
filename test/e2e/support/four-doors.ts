import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { exampleApp, exampleSecrets } from '#test/fakes/example-app.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bcrypt } from '#test/fakes/passwords.ts';
import { secret } from '#test/fakes/secrets.ts';
import { asked, posted } from '#test/fakes/token-app.ts';
import { freePort } from './free-port.ts';
import { Redis } from './redis.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { until } from './until.ts';

/** The program that may ask for tokens. */
export const program = { id: '000000', secret: exampleSecrets.CLIENT_SECRET };
/** Who has a password. */
export const user = { name: 'user', password: secret('of the user') };

const minute = 60_000;

/**
 * What `config/examples/basic-and-oauth-registries.yaml` says, with a Redis of its own, on loopback. Its clock stands: a minute has as many requests as a test needs, and Redis
 * as long as it takes.
 */
export interface FourDoors extends AsyncDisposable {
  /** `host:port` of each: users by TLS, programs with a limit, where those get tokens, index files. */
  readonly hosts: Readonly<Record<'basic' | 'oauth' | 'tokens' | 'files', string>>;
  /** Of the authority that has signed for the first. */
  readonly caFile: string;
  /** Of the index files. */
  readonly indexes: string;
  readonly redis: Redis;
  /** The minute of the hour. */
  minute(): number;
  /** Until the next minute. */
  wait(): Promise<void>;
  /** A token of the program. */
  token(): Promise<string>;
}

export async function fourDoors(): Promise<FourDoors> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const authority = stack.use(await TestAuthority.create());
  const { certFile, keyFile } = await authority.issue('tls', 'IP:127.0.0.1');
  await copyFile(certFile, join(path, 'tls.crt'));
  await copyFile(keyFile, join(path, 'tls.key'));
  await writeFile(join(path, 'htpasswd'), `${user.name}:${bcrypt(user.password)}\n`);
  await mkdir(join(path, 'indexes'));
  const redis = stack.use(await Redis.start(secret('redis')));
  const clock = new FakeClock();
  const port = await freePort();
  const change = (text: string): string =>
    text
      .replace('publicUrl: http://localhost:9096', `publicUrl: http://localhost:${port}`)
      .replace(/port: 0\n( +serve: token)/, `port: ${port}\n$1`);
  const changes = { clock, change, env: { REDIS_URL: redis.url } };
  const app = stack.use(await exampleApp('basic-and-oauth-registries.yaml', path, changes));
  const [basic = '', bearing = '', tokens = '', files = ''] = [app.server, ...app.listeners].map(
    ({ url }) => new URL(url).host,
  );
  // Clients that follow no realm to another host of a private network follow it to another port of the same name.
  const oauth = bearing.replace('127.0.0.1', 'localhost');
  const wait = async (): Promise<void> => await clock.advance(minute - (clock.now() % minute));
  // Until the connection stands it is not there that requests are counted.
  await until('it counts', async () => {
    await wait();
    await asked(`http://${oauth}/v2/`);
    return (await redis.counts()).size > 0;
  });
  await wait();
  const kept = stack.move();
  return {
    ...{ hosts: { basic, oauth, tokens, files }, caFile: authority.caFile },
    ...{ indexes: join(path, 'indexes'), redis, wait },
    minute: () => Math.floor(clock.now() / minute) % 60,
    token: async () => {
      const grant = {
        grant_type: 'client_credentials',
        client_id: program.id,
        client_secret: program.secret,
      };
      return String((await posted(`http://${tokens}/token`, grant)).body['access_token']);
    },
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}
