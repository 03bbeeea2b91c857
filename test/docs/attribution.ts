import { allBlocks, type Block } from './block.ts';

/** What a file says about where it goes, in its first line. */
function goesTo(folder: string): (block: Block) => boolean {
  return ({ text }) => text.startsWith(`# ${folder}`);
}

/** Commands of one kind alone: each line that begins one begins it with one of these words. */
function commands(...programs: readonly string[]): (block: Block) => boolean {
  return ({ language, text }) =>
    language === 'sh' && programsIn(text).every((name) => programs.includes(name));
}

function isCarried({ page, section }: Block): boolean {
  return page === 'docs/how-to/carry-across-an-air-gap.md' && section !== 'From other tools';
}

/**
 * Who loads a block, by what is in it; the first that takes it. Each name is that of the tests that do: a block that none of them
 * takes is one that nobody has tried.
 */
const kinds = {
  /** test/e2e/docs-config.test.ts: by the clients themselves, through the server. */
  containerd: goesTo('/etc/containerd/certs.d/'),
  containers: goesTo('/etc/containers/'),
  docker: ({ language }) => language === 'json',
  /** test/e2e/first-pull.test.ts: the whole page. */
  tutorial: ({ page }) => page === 'docs/tutorials/first-pull.md',
  /** test/install/install.test.ts: the whole page, in a root of its own. */
  install: ({ page, language }) => page === 'docs/how-to/install.md' && language !== 'yaml',
  /** test/long/load.test.ts: the whole page. */
  load: ({ page }) => page === 'docs/how-to/load-images.md',
  /** test/e2e/administer.test.ts: the commands of the page. */
  administer: ({ page, language }) => page === 'docs/how-to/administer.md' && language === 'sh',
  /** test/long/kept-and-carried.test.ts: the commands of the pages, but those about directories of other programs. */
  carry: isCarried,
  keep: ({ page, language }) => language === 'sh' && page === 'docs/how-to/keep-the-disk-from-filling.md',
  backUp: ({ page, language }) => language === 'sh' && page === 'docs/how-to/back-up.md',
  /** test/e2e/notifications.test.ts: by docker-registry itself. */
  registry: goesTo('/etc/docker/registry/'),
  /** test/e2e/docs-config.test.ts, by a shell. */
  pulls: commands('crane', 'curl', 'ctr', 'skopeo'),
  /** test/image/without-the-cache.test.ts */
  watch: goesTo('/etc/systemd/system/'),
  /** test/unit/docs/configuration.test.ts: by the program itself. */
  configuration: ({ language }) => language === 'yaml',
  /** test/unit/docs/commands.test.ts: by the shell and by the program's own parser; what they work on is there. */
  commands: ({ language }) => language === 'sh',
  /** test/unit/docs/output.test.ts: what is printed, against what prints it. */
  doctor: ({ text }) => /^\S+( as user "\S+"| by \S+)?: (ok|FAILED at \w+)$/m.test(text),
  metrics: ({ text }) => text.startsWith('ociregistry_'),
  picture: ({ page }) => page === 'docs/explanation/architecture.md',
} satisfies Record<string, (block: Block) => boolean>;

export type Kind = keyof typeof kinds;

/** Undefined: nobody loads it. */
export function kindOf(block: Block): Kind | undefined {
  const found = Object.entries(kinds).find(([, takes]) => takes(block));
  return found?.[0] as Kind | undefined;
}

/** The blocks of one kind; throws where there is none, since then a test would try nothing. */
export async function blocksOf(kind: Kind): Promise<Block[]> {
  const blocks = (await allBlocks()).filter((block) => kindOf(block) === kind);
  if (blocks.length === 0) throw new Error(`No page has a block for ${kind}`);
  return blocks;
}

/** The program of each command of a shell text: comments and lines that go on one before are none. */
export function programsIn(text: string): string[] {
  return commandsIn(text).map((line) => line.split(/\s+/, 1)[0] ?? '');
}

/** One line for each command, without its comment. */
export function commandsIn(text: string): string[] {
  return text
    .replaceAll(/\\\n\s*/g, '')
    .split(/\n|&& | \| /)
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
}
