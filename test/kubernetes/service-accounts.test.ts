import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { type Account, KubeApiserver } from '../e2e/support/kube-apiserver.ts';
import { Ociregistry } from '../e2e/support/ociregistry.ts';
import { madeImage, SkopeoUser } from '../e2e/support/skopeo-user.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { needs } from '../setup/needs.ts';

const pusher = { namespace: 'builds', name: 'pusher' };
const helper = { namespace: 'builds', name: 'helper' };
const stranger = { namespace: 'others', name: 'pusher' };
const audience = 'cache';
const refused = /denied|unauthorized|40[13]/i;

/** One account pushes; whoever is in its namespace pulls. */
const access = [
  {
    ...{ name: 'pusher', who: { subject: 'system:serviceaccount:builds:pusher' }, repositories: ['apps/*'] },
    actions: ['pull', 'push'],
  },
  { name: 'builds', who: { group: 'builds' }, repositories: ['apps/*'], actions: ['pull'] },
];

describe('service accounts of Kubernetes', needs('kube-apiserver', 'etcd', 'crane', 'skopeo'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());

  let cluster: KubeApiserver;
  let path: string;
  let image: string;

  before(async () => {
    ({ path } = resources.use(await temporaryDirectory()));
    cluster = resources.use(await KubeApiserver.start());
    for (const account of [pusher, helper, stranger]) await cluster.create(account);
    image = await madeImage(path);
  });

  /** The claim of the namespace has a dot in the name of the member that it stands in: `kubernetes.io`. */
  const serve = async (more: object): Promise<Ociregistry> =>
    await Ociregistry.start({
      settings: {
        ...{ hosted: [{ repositories: ['apps/*'] }], access, upstream: { ca: cluster.caFile } },
        auth: {
          issuers: [{ issuer: cluster.url, audience, groupsClaim: 'kubernetes.io.namespace', ...more }],
        },
      },
    });

  async function haveWhatTheyMay(server: Ociregistry): Promise<void> {
    const name = `${server.host}/apps/x:v1`;
    const clientOf = async (account: Account, wanted?: string): Promise<SkopeoUser> =>
      new SkopeoUser(path, 'nobody', await cluster.token(account, wanted));
    await (await clientOf(pusher, audience)).push(image, name);
    const pulling = await clientOf(helper, audience);
    await pulling.pull(name);
    await assert.rejects(async () => await pulling.push(image, name), refused);
    // Of the same name in another namespace; and for the API server.
    for (const other of [await clientOf(stranger, audience), await clientOf(pusher)])
      await assert.rejects(async () => await other.pull(name), refused);
  }

  it('are known by the keys of a file, where the cluster shows them to its own alone', async () => {
    const { sub, 'kubernetes.io': its } = decodeJwt(await cluster.token(pusher, audience));
    assert.equal(sub, 'system:serviceaccount:builds:pusher');
    assert.partialDeepStrictEqual(its, { namespace: 'builds' });
    {
      await using server = await serve({});
      const headers = { authorization: `Bearer ${await cluster.token(pusher, audience)}` };
      assert.equal((await fetch(`${server.url}/v2/`, { headers })).status, 503);
    }
    const keyFile = join(path, 'keys.json');
    await writeFile(keyFile, await cluster.keys());
    await using server = await serve({ keyFile });
    await haveWhatTheyMay(server);
  });

  it('are known by what the cluster publishes, through its own authority', async () => {
    await cluster.publishKeys();
    await using server = await serve({});
    await haveWhatTheyMay(server);
  });
});
