import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { problemsOf } from '#test/fakes/config-text.ts';

/** Lines of a file that is no YAML, and what is said of it. */
type Case = readonly [what: string, lines: readonly string[], ...problems: string[]];

async function toldOf([, lines, ...problems]: Case): Promise<void> {
  const expected = problems.map((problem) => `config.yaml:${problem}`);
  assert.deepEqual(await problemsOf(`${lines.join('\n')}\n`), expected);
}

const indentations: readonly Case[] = [
  [
    'a key of a registry that stands too far in',
    ['registries:', '  - name: docker.io', '     scheme: https'],
    '3:6: wrong indentation: this key begins in column 6, keys before it in 5 (line 2) or 1 (line 1)',
  ],
  [
    'a key of a registry that does not stand far enough in',
    ['registries:', '  - name: docker.io', '   scheme: https'],
    '3:4: wrong indentation: this key begins in column 4, keys before it in 5 (line 2) or 1 (line 1)',
  ],
  [
    'a key below the dash of its item',
    ['registries:', '  - name: docker.io', '  scheme: https'],
    '3:3: wrong indentation: this key begins in column 3, keys before it in 5 (line 2) or 1 (line 1)',
  ],
  [
    'a key between those of two mappings',
    ['registries:', '  - name: a.io', '    auth:', '      user: x', '     passwordFile: y'],
    '5:6: wrong indentation: this key begins in column 6, keys before it in 7 (line 4) or 5 (line 3) or 1 (line 1)',
  ],
  [
    'a key below a value, with a comment and an empty line before it',
    ['cache:', '  freshness: 5m', '', '  # of it', '    onGone: serve'],
    '5:5: wrong indentation: this key begins in column 5, keys before it in 3 (line 2) or 1 (line 1)',
  ],
  [
    'a key of the top level that does not stand there',
    ['port: 8080', '  host: x', 'health: 1'],
    '2:3: wrong indentation: this key begins in column 3, keys before it in 1 (line 1)',
  ],
  [
    'a first key that does not stand at the top level',
    ['  port: 8080', 'host: x'],
    '2:1: wrong indentation: this key begins in column 1, keys before it in 3 (line 1)',
  ],
  [
    'an item to the left of the first',
    ['registries:', '  - name: a.io', ' - name: b.io'],
    '3:2: wrong indentation: this item of a list begins in column 2, items before it in 3 (line 2)',
  ],
  [
    'an item to the right of the first',
    ['registries:', '  - name: a.io', '    - name: b.io'],
    '3:5: wrong indentation: this item of a list begins in column 5, items before it in 3 (line 2)',
  ],
  [
    'an item that is a text',
    ['registries:', '  - name: a.io', '    endpoints:', '      - https://b.io', '     - https://c.io'],
    '5:6: wrong indentation: this item of a list begins in column 6, items before it in 7 (line 4) or 3 (line 2)',
  ],
  ['a tab', ['cache:', '\tcomplete: true'], '2:1: a tab in the indentation; YAML takes spaces'],
];

describe('the indentation of a configuration is said to be wrong, with what is likely: ', () => {
  for (const one of indentations) it(one[0], async () => await toldOf(one));

  it('in a file of Windows, too', async () => {
    assert.deepEqual(await problemsOf('cache:\r\n  freshness: 5m\r\n    onGone: serve\r\n'), [
      'config.yaml:3:5: wrong indentation: this key begins in column 5, keys before it in 3 (line 2) or 1 (line 1)',
    ]);
  });
});

const others: readonly Case[] = [
  ['no colon', ['cache', '  freshness: 5m'], '1:1: a colon is missing, or the space behind it'],
  ['no space', ['port:8080', 'host: x'], '1:1: a colon is missing, or the space behind it'],
  ['no space, in the last line', ['host: x', 'port:8080'], '2:1: a colon is missing, or the space behind it'],
  [
    'a colon in a value',
    ['registries:', '  - name: a.io', '    auth: { user: u }', '    description: a: b: c'],
    '4:18: a value that cannot stand here: a text with ": " in it needs quotes',
  ],
  ['an open quote', ['registries:', '  - name: "a.io', 'port: 1'], '2:11: a quote that is not closed'],
  ['an open bracket', ['port: 1', 'registries: ['], '3:1: a bracket that is not closed'],
  ['an open brace', ['registries: [{ name: a.io', 'port: 1'], '2:1: a bracket that is not closed'],
  [
    'no comma',
    ['registries: [{ name: a.io scheme: http }]'],
    '1:22: a comma, or the bracket that closes, is missing',
  ],
  [
    'a word behind a text',
    ['host: "a" b'],
    '1:11: something here was not expected: is a quote, a comma or a bracket before it missing, or too much?',
  ],
  ['a character that needs quotes', ['host: @x'], '1:7: a text that begins with this character needs quotes'],
  ['a key twice', ['port: 1', 'port: 2'], '2:1: the same key twice in one mapping'],
  ['an unknown tag', ['logFile: !vault x'], '1:10: unknown tag'],
  ['a key that is no text', ['? [a]', ': 1'], '1:3: a key must be text'],
  ['two documents', ['port: 1', '---', 'port: 2'], '2:1: more than one document in one file'],
];

describe('what is no YAML is told where it begins, once for each line, and nothing of it is quoted: ', () => {
  for (const one of others) it(one[0], async () => await toldOf(one));
});
