import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explainAccess } from '#src/app/explain-access.ts';
import { loadText } from '#test/fakes/config-text.ts';

describe('explain-access of a registry that is asked in the name of each client', () => {
  it('says that the registry has a word besides, where the rules let somebody pull', async () => {
    const registries = '[{ name: r.example, authorization: passThrough }, { name: other.example }]';
    const access = '[{ name: here, who: { cidr: 10.0.0.0/8 }, repositories: ["**"], actions: [pull] }]';
    const { config } = await loadText(`registries: ${registries}\naccess: ${access}`);
    const explained = (repository: string, address: string) =>
      explainAccess(config, {
        ...{ repository, address, action: 'pull' },
        ...{ user: undefined, client: undefined, subject: undefined, issuer: undefined },
        ...{ groups: [], claims: {}, certificate: undefined },
      });
    const { allowed, reasons } = explained('r.example/team/app', '10.0.0.1');
    assert.deepEqual(
      [allowed, reasons.at(-1)],
      [
        true,
        'registries: r.example: passThrough: r.example itself must let him, by the user and the password that he shows',
      ],
    );
    const others = [explained('other.example/app', '10.0.0.1'), explained('r.example/team/app', '192.0.2.1')];
    for (const other of others) assert.doesNotMatch(other.reasons.join('\n'), /passThrough/);
  });
});
