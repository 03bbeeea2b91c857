import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runProgram } from '#src/cli/program.ts';
import { commandsIn, kindOf } from '#test/docs/attribution.ts';
import { allBlocks, placeOf, root } from '#test/docs/block.ts';

const blocks = (await allBlocks()).filter(({ language }) => language === 'sh');
const { scripts, version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
  version: string;
};

/** npm's own commands, which need no script. */
const ofNpm = ['ci', 'install', 'uninstall'];

/** What a command line says to our program, by whichever name it is called; undefined: another program is meant. */
function argumentsOf(command: string): string | undefined {
  const [, args] =
    /(?:^|-- )(?:npx )?ociregistry( .*)$/.exec(command) ??
    new RegExp(`^docker run .*ociregistry:${version}( .*)$`).exec(command) ??
    [];
  const [, started] = /^npm start(.*)$/.exec(command) ?? [];
  return started === undefined ? args?.replace(/ > \S+$/, '') : `serve ${started.replace(' -- ', '')}`;
}

/** Where it would find out what is wrong with a command line. */
async function exitCode(args: string): Promise<number> {
  const argv = args.replace(/--config-file \S+/, `--config-file ${join(root, 'config.example.yaml')}`);
  const silent = { write() {} };
  return await runProgram(argv.split(' ').filter(Boolean), {
    stdout: silent,
    stderr: silent,
    env: {},
    version: { version, buildDate: '' },
    hearSignals() {},
    announce() {},
    serve: async () => true,
    preflight: async () => ({ problems: [], warnings: [] }),
    doctor: async () => true,
    explainAccess: async () => true,
    load: async () => true,
    export: async () => true,
    import: async () => true,
    list: async () => {},
    prune: async () => {},
    wanted: async () => {},
    htpasswd: async () => {},
    pin: async () => true,
    refresh: async () => true,
    verify: async () => true,
  });
}

describe('commands that a page shows', () => {
  it('are many', () => assert.ok(blocks.length >= 20));

  for (const block of blocks) {
    it(`are such to a shell, npm and the program: ${placeOf(block)}`, async () => {
      const { status, stderr } = spawnSync('bash', ['-n'], { input: block.text, encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      for (const command of commandsIn(block.text)) {
        const [, run, name = ''] = /^npm (run )?([\w:]+)/.exec(command) ?? [];
        if (name !== '' && !(run === undefined && ofNpm.includes(name))) assert.ok(name in scripts, command);
        const args = argumentsOf(command);
        if (args !== undefined) assert.equal(await exitCode(args), 0, command);
      }
    });

    // The others are run where what they make is there.
    if (kindOf(block) === 'commands')
      it(`work on what a checkout has: ${placeOf(block)}`, () => {
        for (const [path] of block.text.matchAll(/(?<=^| )config\/[\w./-]+/gm))
          assert.ok(existsSync(join(root, path)), path);
      });
  }
});
