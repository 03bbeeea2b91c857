import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { secret } from '#test/fakes/secrets.ts';
import type { TokenServer } from '../e2e/support/docker-registry.ts';
import { Keycloak } from '../e2e/support/keycloak.ts';
import { Ociregistry } from '../e2e/support/ociregistry.ts';
import { madeImage, SkopeoUser } from '../e2e/support/skopeo-user.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { needs } from '../setup/needs.ts';

const user = 'robot';
const password = secret('horse');
const program = { id: 'builder', secret: secret('of the builder'), role: 'builders', audience: 'cache' };
/** Seconds. */
const tokenLife = 60;
const refused = /denied|unauthorized|invalid|40[13]/i;

/** The user may push to `team/a` and pull there, though Keycloak grants whatever is asked for; whoever has the role pushes to `built`. */
const access = [
  { name: 'nobody without a token', who: 'anonymous', repositories: ['**'], actions: [] },
  { name: 'robot', who: { subject: user }, repositories: ['team/a'], actions: ['pull', 'push'] },
  { name: 'builders', who: { group: program.role }, repositories: ['built/**'], actions: ['pull', 'push'] },
];
const hosted = [{ repositories: ['team/*', 'built/*'] }];

describe('our server, which believes Keycloak', needs('crane', 'skopeo', 'java', 'kc.sh'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());

  let keycloak: Keycloak;
  let tokens: TokenServer;
  let path: string;
  let image: string;

  before(async () => {
    ({ path } = resources.use(await temporaryDirectory()));
    keycloak = resources.use(await Keycloak.start({ user, password, tokenLife, program }));
    tokens = await keycloak.tokenServer();
    image = await madeImage(path);
  });

  const serve = async (issuer: object): Promise<Ociregistry> =>
    await Ociregistry.start({ settings: { hosted, access, auth: { issuers: [issuer] } } });
  /** A token of its token server. */
  async function dockerToken(scope: string): Promise<string> {
    const query = new URLSearchParams({ service: tokens.service, scope });
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    const answer = await fetch(`${tokens.realm}?${query}`, { headers: { authorization } });
    return ((await answer.json()) as { token: string }).token;
  }

  it('names its key as libtrust does, which its published keys do not', async () => {
    const { kid = '', alg } = decodeProtectedHeader(await dockerToken('repository:team/a:pull'));
    assert.match(kid, /^([A-Z2-7]{4}:){11}[A-Z2-7]{4}$/);
    assert.equal(alg, 'RS256');
    const published = await fetch(`${tokens.issuer}/protocol/openid-connect/certs`);
    const { keys } = (await published.json()) as { keys: readonly { kid: string }[] };
    assert.ok(keys.every((key) => key.kid !== kid));
  });

  for (const [how, more] of [
    ['by its certificate', async () => ({ keyFile: await certificateFile() })],
    ['by the keys that it publishes', async () => ({})],
  ] as const)
    it(`sends clients to its token server, and takes what they come back with: ${how}`, async () => {
      const { issuer, service: audience, realm } = tokens;
      await using server = await serve({ issuer, audience, realm, ...(await more()) });
      const { host } = server;
      const challenge = (await fetch(`${server.url}/v2/`)).headers.get('www-authenticate');
      assert.equal(challenge, `Bearer realm="${realm}",service="${audience}"`);
      const robot = new SkopeoUser(path, how);
      await assert.rejects(async () => await robot.login(host, user, 'wrong'), refused);
      await assert.rejects(async () => await robot.push(image, `${host}/team/a:v1`), refused);
      await robot.login(host, user, password);
      await robot.push(image, `${host}/team/a:v1`);
      await robot.copy(`${host}/team/a:v1`, `${host}/team/a:v2`);
      assert.deepEqual(await robot.pull(`${host}/team/a:v2`), await robot.pull(`${host}/team/a:v1`));
      // Keycloak grants it; the rules do not.
      await assert.rejects(async () => await robot.push(image, `${host}/team/b:v1`), refused);
      const status = async (token: string, repository: string): Promise<number> => {
        const headers = { authorization: `Bearer ${token}` };
        return (await fetch(`${server.url}/v2/${repository}/tags/list`, { headers })).status;
      };
      const pull = await dockerToken('repository:team/a:pull');
      assert.deepEqual(decodeJwt(pull)['access'], [
        { type: 'repository', name: 'team/a', actions: ['pull'] },
      ]);
      const other = await dockerToken('repository:team/other:pull');
      assert.deepEqual([await status(pull, 'team/a'), await status(other, 'team/a')], [200, 401]);
      // Of another client of the same realm, for another audience, and with no grant.
      assert.equal(await status(await keycloak.tokenFor(program), 'team/a'), 401);
    });

  it('knows a program by its token of OpenID Connect, and its role as a group', async () => {
    const { issuer } = tokens;
    await using server = await serve({
      issuer,
      audience: program.audience,
      groupsClaim: 'realm_access.roles',
    });
    const { host } = server;
    const builder = new SkopeoUser(path, 'builder', await keycloak.tokenFor(program));
    await builder.push(image, `${host}/built/x:v1`);
    await builder.pull(`${host}/built/x:v1`);
    await assert.rejects(async () => await builder.push(image, `${host}/team/a:v1`), refused);
    const headers = { authorization: `Bearer ${await dockerToken('repository:built/x:pull')}` };
    assert.equal((await fetch(`${server.url}/v2/built/x/tags/list`, { headers })).status, 401);
  });

  async function certificateFile(): Promise<string> {
    const file = join(path, 'keycloak.crt');
    await writeFile(file, tokens.certificates);
    return file;
  }
});
