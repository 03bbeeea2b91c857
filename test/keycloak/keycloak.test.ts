import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { secret } from '#test/fakes/secrets.ts';
import { command } from '../e2e/support/command.ts';
import { type ImageContent, readImage } from '../e2e/support/content.ts';
import { DockerRegistry } from '../e2e/support/docker-registry.ts';
import { makeLayer, pushImage } from '../e2e/support/images.ts';
import { Keycloak } from '../e2e/support/keycloak.ts';
import { Ociregistry } from '../e2e/support/ociregistry.ts';
import { assertWithout } from '../e2e/support/secrets.ts';
import { skopeo } from '../e2e/support/skopeo.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { needs, programOf } from '../setup/needs.ts';

const user = 'robot';
const password = secret('horse');
const wrongPassword = secret('battery');
/** Seconds. We use a token to a second before its end. */
const tokenLife = 3;
const renewals = 4;

const programs = ['docker-registry', 'crane', 'skopeo', 'java', 'kc.sh'];

/** In this order: the last test is without Keycloak. */
describe('Debian’s docker-registry behind Keycloak', needs(...programs), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());

  let keycloak: Keycloak;
  let upstream: DockerRegistry;
  let image: ImageContent;

  before(async () => {
    const { path } = resources.use(await temporaryDirectory());
    const source = resources.use(await DockerRegistry.start());
    const layers = [await makeLayer(path, 'layer', 300_000)];
    await pushImage({ reference: `${source.host}/app:v1`, layers, format: 'oci' });
    image = await readImage(`${source.url}/v2/app`, 'v1');
    keycloak = resources.use(await Keycloak.start({ user, password, tokenLife }));
    upstream = resources.use(await DockerRegistry.start({ tokens: await keycloak.tokenServer() }));
    const to = ['--dest-tls-verify=false', '--dest-creds', `${user}:${password}`];
    const places = [`docker://${source.host}/app:v1`, `docker://${upstream.host}/app:v1`];
    const from = ['--src-tls-verify=false', '--src-no-creds'];
    await command(programOf('skopeo'), ['--insecure-policy', 'copy', '--quiet', ...from, ...to, ...places]);
  });

  const serve = async (auth: unknown, freshness = 'immutable'): Promise<Ociregistry> => {
    const registry = { name: upstream.host, scheme: 'http', alias: 'up', auth, cache: { freshness } };
    return await Ociregistry.start({ settings: { registries: [registry] } });
  };
  /** A client that holds nothing. */
  const pull = async (server: Ociregistry): Promise<ReadonlySet<string>> =>
    await skopeo.pull({ server: server.host, upstream: upstream.host, repository: 'app', tag: 'v1' });
  const wholeIn = (pulled: ReadonlySet<string>): boolean =>
    [...image.manifests.keys(), ...image.blobs.keys()].every((digest) => pulled.has(digest));

  it('is pulled from with user and password', async () => {
    await using server = await serve({ user, password });
    assert.ok(wholeIn(await pull(server)));
    assertWithout([password, `${user}:${password}`], server.output);
  });

  it('refuses a wrong password: the client is told by whom, the log too, and the password is in neither', async () => {
    await using server = await serve({ user, password: wrongPassword });
    await assert.rejects(pull(server), /denied|403|forbidden/i);
    const answer = await fetch(`${server.url}/v2/up/app/manifests/v1`);
    const body = await answer.text();
    assert.equal(answer.status, 403, body);
    assert.match(body, /"DENIED"/);
    // The second time within a minute it is not asked again: it might lock the user out.
    assert.match(body, /user "[^"]+" and password were refused by 127\.0\.0\.1:\d+ a moment ago/);
    assert.match(server.output, /token server 127\.0\.0\.1:\d+ answered 401/);
    assertWithout([wrongPassword, `${user}:${wrongPassword}`], body + server.output);
  });

  it('is pulled from again and again while its tokens expire', async () => {
    await using server = await serve({ user, password }, 'always');
    const before = await keycloak.countLogins();
    const end = Date.now() + 120_000;
    const statuses = new Set<string | null>();
    let pulls = 0;
    while ((await keycloak.countLogins()) < before + renewals) {
      assert.ok(Date.now() < end, `${pulls} pulls and too few new tokens`);
      assert.ok(wholeIn(await pull(server)));
      const answer = await fetch(`${server.url}/v2/up/app/manifests/v1`, { method: 'HEAD' });
      assert.equal(answer.status, 200);
      statuses.add(answer.headers.get('cache-status'));
      pulls += 1;
    }
    // Upstream was asked each time, and gave an answer: nothing was stale.
    assert.deepEqual([...statuses], ['ociregistry; fwd=stale; detail=revalidated']);
    assert.ok(pulls >= renewals, `${pulls} pulls`);
    assert.doesNotMatch(server.output, /"level":"(?:warn|error)"/);
  });

  it('is served from the cache when Keycloak is gone', async () => {
    await using server = await serve({ user, password }, 'always');
    assert.ok(wholeIn(await pull(server)));
    await keycloak.stop();
    await server.stop('SIGTERM');
    await server.startAgain();
    assert.ok(wholeIn(await pull(server)));
    const answer = await fetch(`${server.url}/v2/up/app/manifests/v1`, { method: 'HEAD' });
    assert.match(answer.headers.get('cache-status') ?? '', /^ociregistry; hit; detail="stale: /);
  });
});
