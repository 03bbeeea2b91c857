import { systemClock } from '../base/clock.ts';
import type { Flags, LoadedConfig } from '../config/load.ts';
import { defaultParallel } from '../load/parallel.ts';
import type { CommandName } from './commands.ts';
import type { ExportCommand } from './export.ts';
import type { ImportCommand } from './import.ts';
import type { LoadOrder } from './load.ts';
import type { PinCommand } from './pin.ts';
import type { ProgramParts } from './program-parts.ts';
import type { PruneOrder } from './prune.ts';
import type { RefreshOrder } from './refresh.ts';
import { type OwnFlags, type Run, readWhole } from './run.ts';
import type { VerifyOrder } from './verify.ts';

/** Commands that do something to the directory, or say what is in it, beside whoever serves from it. */
export const directoryRuns = {
  load,
  list,
  prune,
  pin: pinning(true),
  unpin: pinning(false),
  refresh,
  verify,
  wanted,
  export: exportImages,
  import: importImages,
} as const satisfies Partial<Record<CommandName, Run>>;

async function load(
  {
    output,
    platform: platforms = [],
    referrers = false,
    parallel = defaultParallel,
    ...flags
  }: Flags & OwnFlags,
  parts: ProgramParts,
): Promise<number> {
  const order: LoadOrder = { platforms, referrers, parallel, output: output === 'json' ? 'json' : 'text' };
  return await onDirectory('loading images', flags, parts, async (loaded) => await parts.load(loaded, order));
}

async function verify(
  { output, repair: repairs = false, rebuild: rebuilds = false, rate = 0, ...flags }: Flags & OwnFlags,
  parts: ProgramParts,
): Promise<number> {
  const order: VerifyOrder = { repairs, rebuilds, rate, output: output === 'json' ? 'json' : 'text' };
  return await onDirectory('verifying the cache', flags, parts, async (loaded) => {
    return await parts.verify(loaded, order);
  });
}

async function exportImages(
  { output, pattern, platform, chunkSize, since, usedSince, wanted, ...flags }: Flags & OwnFlags,
  parts: ProgramParts,
  [to = '']: readonly string[],
): Promise<number> {
  const { clock = systemClock } = parts;
  const command: ExportCommand = {
    ...{ to, chunkSize, since, wanted, platforms: platform ?? [] },
    pattern: [pattern ?? []].flat().join(','),
    usedSince: typeof usedSince === 'number' ? clock.now() - usedSince : usedSince?.getTime(),
    output: output === 'json' ? 'json' : 'text',
  };
  return await onDirectory(
    'exporting images',
    flags,
    parts,
    async (loaded) => await parts.export(loaded, command),
  );
}

async function importImages(
  { output, platform, as, ...flags }: Flags & OwnFlags,
  parts: ProgramParts,
  paths: readonly string[],
): Promise<number> {
  const command: ImportCommand = {
    ...{ paths, host: as, platforms: platform ?? [] },
    output: output === 'json' ? 'json' : 'text',
  };
  return await onDirectory(
    'importing images',
    flags,
    parts,
    async (loaded) => await parts.import(loaded, command),
  );
}

/** A flag wins over the file, which has the same in a group of its own. */
async function list(
  { output, header, pattern, shortDigest, wide = false, ...flags }: Flags & OwnFlags,
  parts: ProgramParts,
): Promise<number> {
  return await onDirectory('listing the cache', flags, parts, async (loaded) => {
    const { listConfig } = loaded.config;
    await parts.list(loaded, {
      output: output === 'json' ? 'json' : 'table',
      header: header ?? listConfig.header,
      pattern: typeof pattern === 'string' ? pattern : listConfig.expr,
      shortDigest: shortDigest ?? listConfig.shortDigest,
      wide,
    });
    return true;
  });
}

/** What the configuration says of pruning is the server's. */
async function prune(
  { output, pattern, date, notUsedFor, keep, dryRun = false, ...flags }: Flags & OwnFlags,
  parts: ProgramParts,
): Promise<number> {
  const order: PruneOrder = {
    pattern: typeof pattern === 'string' ? pattern : '',
    ...{ date, notUsedFor, keep, dryRun },
    output: output === 'json' ? 'json' : 'text',
  };
  return await onDirectory('pruning the cache', flags, parts, async (loaded) => {
    if (pattern !== undefined) assertSomething(order.pattern);
    await parts.prune(loaded, order);
    return true;
  });
}

async function wanted({ output, ...flags }: Flags & OwnFlags, parts: ProgramParts): Promise<number> {
  return await onDirectory('listing what is wanted', flags, parts, async (loaded) => {
    await parts.wanted(loaded, { output: output === 'json' ? 'json' : 'text' });
    return true;
  });
}

function pinning(isPinned: boolean): Run {
  const doing = isPinned ? 'pinning images' : 'unpinning images';
  return async ({ output, ...flags }, parts, [pattern = '']) => {
    const order: PinCommand = { pattern, isPinned, output: output === 'json' ? 'json' : 'text' };
    return await onDirectory(doing, flags, parts, async (loaded) => {
      assertSomething(pattern);
      return await parts.pin(loaded, order);
    });
  };
}

async function refresh(
  { output, ...flags }: Flags & OwnFlags,
  parts: ProgramParts,
  [pattern = '']: readonly string[],
): Promise<number> {
  const order: RefreshOrder = { pattern, output: output === 'json' ? 'json' : 'text' };
  return await onDirectory('refreshing images', flags, parts, async (loaded) => {
    assertSomething(pattern);
    return await parts.refresh(loaded, order);
  });
}

/** What changes something is not about all of it because a variable of a script was not set. */
function assertSomething(pattern: string): void {
  if (pattern === '') throw new Error('the pattern is empty: to mean every image say .');
}

/** `doing` in words, for what is thrown. */
async function onDirectory(
  doing: string,
  flags: Flags,
  parts: ProgramParts,
  run: (loaded: LoadedConfig) => Promise<boolean>,
): Promise<number> {
  const { stderr } = parts;
  let action = 'getting configuration';
  try {
    const loaded = await readWhole(flags, parts);
    action = doing;
    for (const warning of loaded.warnings) stderr.write(`warning: ${warning}\n`);
    return (await run(loaded)) ? 0 : 1;
  } catch (error) {
    stderr.write(`error ${action}: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}
