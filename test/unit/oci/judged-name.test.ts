import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AccessRules } from '#src/door/rules/access-rules.ts';
import { isGranted } from '#src/door/rules/granted.ts';
import { Policy } from '#src/door/rules/policy.ts';
import type { Subject } from '#src/door/subject.ts';
import { type NamedRegistry, type TargetSettings, targetOf } from '#src/http/target.ts';
import { RegistryError } from '#src/oci/error.ts';
import { judgedHost, judgedName } from '#src/oci/judged-name.ts';
import { parseRegistryHost, parseTag, type RepositoryName } from '#src/oci/reference.ts';

const settings: TargetSettings = {
  aliases: new Map(
    [
      ['hub', 'docker.io'],
      ['inner', 'registry.inner:5000'],
      ['bare', 'team'],
      ['six', '[::1]:5000'],
    ].map(([alias = '', host = '']) => [alias, parseRegistryHost(host)] as const),
  ),
  defaultNs: parseRegistryHost('quay.io'),
  livesHere: (name) => name.startsWith('team/'),
  own: parseRegistryHost('cache.test:8443'),
};
const unsaid: NamedRegistry = { header: undefined, ns: undefined };

/** Ways to write each registry in front of a path; `''`: what a name means that says nothing. */
const hosts: Readonly<Record<string, readonly string[]>> = {
  'docker.io': [
    'docker.io',
    'index.docker.io',
    'registry-1.docker.io',
    'registry.hub.docker.com',
    'Docker.IO',
    'docker.io:443',
    'registry-1.docker.io:0443',
  ],
  'quay.io': ['quay.io', 'QUAY.io', 'quay.io:443', 'quay.io:0443'],
  'registry.inner:5000': ['registry.inner:5000', 'registry.inner:05000'],
  'team:443': ['team:443', 'TEAM:0443'],
  'localhost:5000': ['localhost:5000', 'localhost:05000'],
  '127.0.0.1:5000': [
    '127.0.0.1:5000',
    '127.1:5000',
    '0x7f.1:05000',
    '[::ffff:127.0.0.1]:5000',
    '[::ffff:7f00:1]:5000',
  ],
  '[::1]:5000': ['[::1]:5000', '[0::1]:5000', '[0:0:0:0:0:0:0:1]:05000'],
  '8.8.8.8': ['8.8.8.8', '8.8.2056', '8.8.8.8:443', '010.8.8.8'],
};
const aliasOf: Readonly<Record<string, string>> = {
  'docker.io': 'hub',
  'registry.inner:5000': 'inner',
  'team:443': 'bare',
  '[::1]:5000': 'six',
};

interface Written {
  readonly said: string;
  readonly named: NamedRegistry;
}

/** None begins like an alias, which by `ns` of its registry is not doubled. */
const path = fc.stringMatching(/^[a-g]{1,3}(\/[a-g]{1,3}){0,2}$/);
const registry = fc.constantFrom(...Object.keys(hosts));

/** A repository of a registry, written in one of the ways that there are. */
function writings(host: string, inside: string): fc.Arbitrary<Written> {
  const spelled = fc.constantFrom(...(hosts[host] ?? []));
  const alias = aliasOf[host];
  const bare = host === 'team:443' ? fc.constantFrom('team', ...(hosts[host] ?? [])) : spelled;
  return fc.oneof(
    spelled.map((written) => ({ said: `${written}/${inside}`, named: unsaid })),
    spelled.map((written) => ({ said: `cache.test:8443/${written}/${inside}`, named: unsaid })),
    bare.map((ns) => ({ said: inside, named: { ...unsaid, ns } })),
    bare.map((header) => ({ said: inside, named: { header, ns: 'elsewhere.test' } })),
    ...(alias === undefined ? [] : [fc.constant({ said: `${alias}/${inside}`, named: unsaid })]),
    ...(host === 'quay.io' && !inside.startsWith('team/')
      ? [fc.constant({ said: inside, named: unsaid })]
      : []),
    ...(host === 'docker.io' && !inside.includes('/')
      ? [fc.constant({ said: `docker.io:443/library/${inside}`, named: unsaid })]
      : []),
  );
}

const meant = ({ said, named }: Written): RepositoryName => targetOf(said, named, settings);
const repositoryNamed = (name: string): RepositoryName | undefined => {
  try {
    return targetOf(name, unsaid, settings);
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
};
/** As rules write it. */
const usual = (host: string, inside: string): string =>
  `${host}/${host === 'docker.io' && !inside.includes('/') ? 'library/' : ''}${inside}`;
const visitor: Subject = { id: undefined, by: 'nothing', groups: [], address: undefined };

describe('a repository, as it is judged', () => {
  it('is one and the same in whichever way it is written: its name, and what rules, policies and tokens say of it', () => {
    const two = fc
      .tuple(registry, path)
      .chain(([host, inside]) =>
        fc.tuple(fc.constant([host, inside] as const), writings(host, inside), writings(host, inside)),
      );
    fc.assert(
      fc.property(two, ([[host, inside], one, other]) => {
        const name = usual(host, inside);
        assert.equal(judgedName(meant(one)), name, JSON.stringify(one));
        // Of Docker Hub's images without an owner the configuration takes no glob without library (faultOfGlob).
        const isGlob = host !== 'docker.io' || inside.includes('/') || one.said.includes('/library/');
        const isWritten = one.named === unsaid && one.said.includes(':') && !one.said.startsWith('cache');
        const glob = isGlob && isWritten ? one.said : name;
        const rules = new AccessRules([
          { name: 'x', who: 'anyone', repositories: [glob], actions: ['pull'] },
        ]);
        const policy = new Policy([{ name: 'x', repositories: [`${glob}:v*`], effect: 'deny' }]);
        assert.equal(
          rules.judge(visitor, 'pull', meant(other)).rule,
          'x',
          `${glob} ${JSON.stringify(other)}`,
        );
        assert.equal(policy.ofTag(meant(other), parseTag('v1')).rule, 'x');
        if (one.named !== unsaid) return;
        const holder: Subject = {
          ...visitor,
          by: 'userToken',
          granted: [{ repository: one.said, actions: ['pull'] }],
        };
        assert.equal(isGranted(holder, 'pull', meant(other), repositoryNamed), true);
      }),
    );
  });

  it('is no other: of another registry, or one that lives here', () => {
    const some = fc
      .tuple(registry, path)
      .chain(([host, inside]) =>
        writings(host, inside).map((written) => ({ name: usual(host, inside), written })),
      );
    fc.assert(
      fc.property(some, some, path, ({ name, written }, other, inside) => {
        const repository = meant(written);
        assert.equal(judgedName(repository) === judgedName(meant(other.written)), name === other.name);
        const here = targetOf(`team/${inside}`, unsaid, settings);
        assert.equal(judgedName(here), `team/${inside}`);
        assert.notEqual(judgedName(repository), judgedName(here));
        const rules = new AccessRules([
          { name: 'here', who: 'anyone', repositories: ['team/**'], actions: ['pull'] },
        ]);
        assert.equal(rules.judge(visitor, 'pull', repository).allowed, false);
        const holder: Subject = {
          ...visitor,
          by: 'userToken',
          granted: [{ repository: `team/${inside}`, actions: ['*'] }],
        };
        assert.equal(isGranted(holder, 'pull', repository, repositoryNamed), false);
        assert.equal(isGranted(holder, 'pull', here, repositoryNamed), true);
      }),
    );
  });

  it('of a registry without a dot is not what lives here by that name', () => {
    const byNs = targetOf('app', { ...unsaid, ns: 'team' }, settings);
    assert.equal(byNs, 'team/app');
    assert.equal(judgedName(byNs), 'team:443/app');
    const holder: Subject = {
      ...visitor,
      by: 'userToken',
      granted: [{ repository: 'team/app', actions: ['*'] }],
    };
    assert.equal(isGranted(holder, 'pull', byNs, repositoryNamed), false);
    assert.equal(judgedName(targetOf('team/app', unsaid, settings)), 'team/app');
  });

  it('has a registry that is itself in its own name', () => {
    for (const [name, written] of Object.entries(hosts))
      for (const one of [name, ...written]) assert.equal(judgedHost(parseRegistryHost(one)), name, one);
  });
});
