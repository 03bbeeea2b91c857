import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { faultOfGlob, faultOfTagGlob, type PossibleNames } from '#src/config/glob-fault.ts';
import { AccessRules } from '#src/door/rules/access-rules.ts';
import type { Subject } from '#src/door/subject.ts';
import { targetOf } from '#src/http/target.ts';
import { RegistryError } from '#src/oci/error.ts';
import { textGlob } from '#src/oci/name-glob.ts';
import { parseRegistryHost, type RepositoryName } from '#src/oci/reference.ts';
import { problemsOf } from '#test/fakes/config-text.ts';

const names: PossibleNames = {
  hosted: ['apps/**', 'tools', 'team/*/web'],
  aliases: new Map([
    ['hub', 'docker.io'],
    ['inner', 'registry.inner:5000'],
  ]),
  own: 'cache.test',
};
const visitor: Subject = { id: undefined, by: 'nothing', groups: [], address: undefined };

function matches(glob: string, repository: RepositoryName): boolean {
  const rules = new AccessRules([{ name: 'x', who: 'anyone', repositories: [glob], actions: ['pull'] }]);
  return rules.judge(visitor, 'pull', repository).allowed;
}

describe('a glob that can match no repository', () => {
  for (const [glob, fault] of [
    ['docker.io/alpine', /write docker\.io\/library\/alpine$/],
    ['docker.io/*', /write docker\.io\/library\/\*$/],
    ['registry-1.docker.io:443/alpine', /write docker\.io\/library\/alpine$/],
    ['docker.io/Library/alpine', /capitals.*write docker\.io\/library\/alpine$/],
    ['Docker.io/library/alpine', /capitals/],
    ['hub/library/alpine', /the alias hub.*write docker\.io\/library\/alpine$/],
    ['hub', /the alias hub.*write docker\.io\/\*\*$/],
    ['cache.test/apps/x', /publicUrl.*write apps\/x$/],
    ['quay.io', /write quay\.io\/\*\*$/],
    ['localhost:5000', /write localhost:5000\/\*\*$/],
    ['https://quay.io/**', /is a URL/],
    ['quay.io/a/', /nothing between two slashes/],
    ['/quay.io/a', /nothing between two slashes/],
    ['quay.io//a', /nothing between two slashes/],
    ['quay.io/{a,b}', /has "\{".*write a glob for each$/],
    ['!quay.io/**', /has "!"/],
    ['quay.io/a b', /has " "/],
    ['quay.io/acme**', /acme\*\*.*stands alone/],
    ['quay.io/a:v1/b', /a colon within a name/],
    ['quay.io/-a', /the part "-a"/],
    ['quay.io/a@sha256:00', /a digest/],
    ['quay.io:x/a', /no host of a registry/],
    ['quay.io:123456/a', /no host of a registry/],
    ['hosted.invalid/apps/x', /no host of a registry/],
    ['*:443/a', /write \*\/a$/],
    ['*', /write \*\*$/],
    ['t*', undefined],
    ['alpine', /names no registry.*docker\.io\/library\/alpine$/],
    ['acme/app', /names no registry.*docker\.io\/acme\/app$/],
    ['team/web', /names no registry/],
    ['team/**/db', /names no registry/],
  ] as const)
    it(`is told, with what to write: ${glob}`, () => {
      const hosted = glob === '*' ? ['apps/**'] : names.hosted;
      const found = faultOfGlob(glob, { ...names, hosted });
      if (fault === undefined) assert.equal(found, undefined);
      else assert.match(found ?? '', fault);
    });

  it('is no other', () => {
    for (const glob of [
      '**',
      '**/alpine',
      '*/team/*',
      'docker.io/**',
      'docker.io/*/app',
      'docker.io/library/alp*',
      'quay.io/x',
      'quay.io:443/**',
      'localhost/a',
      'localhost:5000/**',
      '*:5000/**',
      '[::1]:5000/**',
      '10.0.0.?/[a-c]*',
      'team:443/app',
      'apps/**',
      'apps/web',
      'tools',
      'team/a/web',
      'team/**/web',
      't*/a/web',
    ])
      assert.equal(faultOfGlob(glob, names), undefined, glob);
  });

  it('is told of tags too', () => {
    for (const glob of ['v1', '*-dev', 'V1', 'v[0-9]*', 'v?'])
      assert.equal(faultOfTagGlob(glob), undefined, glob);
    for (const glob of ['', 'a/b', 'v{1,2}', 'a b', 'a:b'])
      assert.notEqual(faultOfTagGlob(glob), undefined, glob);
  });

  it('is every one, of those that are written out: whatever is not told matches what it names', () => {
    const settings = {
      aliases: new Map([...names.aliases].map(([alias, host]) => [alias, parseRegistryHost(host)] as const)),
      defaultNs: undefined,
      livesHere: (name: string): boolean => names.hosted.some((hosted) => textGlob(hosted)(name)),
      own: parseRegistryHost('cache.test'),
    };
    const first = fc.constantFrom(
      ...[
        'docker.io',
        'index.docker.io',
        'quay.io',
        'QUAY.io',
        'quay.io:443',
        'quay.io:0443',
        '[::1]:5000',
        '[0::1]',
        '127.1',
      ],
      ...[
        'localhost',
        'team:443',
        'team',
        'apps',
        'tools',
        'hub',
        'inner',
        'registry.inner:5000',
        'cache.test',
        'a..b',
        'x:y',
      ],
    );
    const inside = fc.stringMatching(/^(\/[a-cA_.-]{1,3}|\/web|\/library){0,3}$/);
    fc.assert(
      fc.property(first, inside, (host, rest) => {
        const glob = host + rest;
        if (faultOfGlob(glob, names) !== undefined) return;
        let repository: RepositoryName;
        try {
          repository = targetOf(glob, { header: undefined, ns: undefined }, settings);
        } catch (error) {
          assert.ok(error instanceof RegistryError);
          assert.fail(`${glob} names nothing, and is not told`);
        }
        assert.ok(matches(glob, repository), glob);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes no time, however many ** are in it', () => {
    const many = Array.from({ length: 170 }, (_, at) => (at % 2 === 0 ? '**' : 'a')).join('/');
    assert.equal(faultOfGlob(`x/${many}`, { ...names, hosted: [`x/${many}`, `${many}/b`] }), undefined);
  });
});

describe('a glob of access or of policy', () => {
  it('keeps the server from starting where it can match nothing', async () => {
    const text = `
registries: [{ name: docker.io, alias: hub }]
access:
  - { name: a, who: anyone, repositories: ["docker.io/alpine", "hub/**", "**"], actions: [] }
  - { name: b, who: anyone, repositories: [], actions: [] }
policy:
  - { name: c, repositories: ["docker.io:v1/library/alpine", "docker.io/library/alpine:", "quay.io/**:*-dev"], effect: deny }
`;
    assert.deepEqual(
      (await problemsOf(text)).map((problem) => problem.replace(/^config\.yaml:\d+:\d+: /, '')),
      [
        'access[0].repositories[0]: matches nothing, since the images of Docker Hub that have no owner lie below library: write docker.io/library/alpine',
        'access[0].repositories[1]: begins with the alias hub, by which names are not judged: write docker.io/**',
        'access[1].repositories: has no glob: the rule is about nothing',
        'policy[0].repositories[0]: begins with "docker.io:v1", which is no host of a registry',
        'policy[0].repositories[1]: has no tag behind its colon',
      ],
    );
  });
});
