import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { askNameServer } from '#src/net/dial/dns-query.ts';
import { FakeNameServer } from '#test/fakes/fake-name-server.ts';

const pod = 'search team.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n';

/** A name server, and who asks it as a machine with these files would. */
async function start({ hosts = '', resolvConf = '' } = {}) {
  const server = await FakeNameServer.start();
  const over = new AbortController();
  return {
    server,
    over,
    async found(name: string) {
      const settings = { servers: [server.address], files: { hosts, resolvConf } };
      return (await askNameServer(name, over.signal, settings)).map(({ address }) => address);
    },
    [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
  };
}

describe('a name that is asked for past the system', () => {
  it('is found at the name server', async () => {
    await using made = await start();
    made.server.addresses.set('registry.example', '203.0.113.1');
    assert.deepEqual(await made.found('registry.example'), ['203.0.113.1']);
  });

  it('is found where it is listed, and nobody is asked', async () => {
    await using made = await start({ hosts: '10.0.0.5 registry.example\n' });
    made.server.addresses.set('registry.example', '203.0.113.1');
    assert.deepEqual(await made.found('registry.example'), ['10.0.0.5']);
    assert.deepEqual(made.server.asked, []);
  });

  it('is found below the search domains, as in a pod', async () => {
    await using made = await start({ resolvConf: pod });
    made.server.addresses.set('registry.infra.svc.cluster.local', '10.0.0.5');
    assert.deepEqual(await made.found('registry.infra'), ['10.0.0.5']);
    assert.deepEqual(made.server.asked, [
      'registry.infra.team.svc.cluster.local',
      'registry.infra.svc.cluster.local',
    ]);
    made.server.addresses.set('ghcr.io', '203.0.113.1');
    assert.deepEqual(await made.found('ghcr.io'), ['203.0.113.1']);
  });

  it('is nowhere when no name is there, which nobody takes for the truth', async () => {
    await using made = await start({ resolvConf: pod });
    assert.deepEqual(await made.found('registry.infra'), []);
    assert.equal(made.server.asked.length, 4);
  });

  it('is not looked for further where the name server is silent: what is behind it may be another’s', async () => {
    await using made = await start({ resolvConf: pod });
    made.server.silentOf = /^registry\.team\.team/;
    made.server.addresses.set('registry.team', '203.0.113.66');
    await assert.rejects(made.found('registry.team'), { code: 'ETIMEOUT' });
    assert.deepEqual([...new Set(made.server.asked)], ['registry.team.team.svc.cluster.local']);
  });

  it('is no longer asked for when nobody waits', async () => {
    await using made = await start();
    made.server.silentOf = /silent/;
    const asking = assert.rejects(made.found('silent.example'), { code: 'ECANCELLED' });
    await made.server.askedOnce;
    made.over.abort();
    await asking;
    await assert.rejects(made.found('other.example'), { name: 'AbortError' });
    assert.deepEqual(made.server.asked, ['silent.example']);
  });
});
