/** The process that {@link StoringProcess} asks: it does what it is told, and ends with whoever started it. */
import { sha256, verifyWhole } from '#src/oci/digest.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import type { Spool } from '#src/storage/spool-store.ts';
import { OwnerLocks } from '#src/storage/sqlite/owner-locks.ts';
import { largeBlob, type StoringCommand, smallBlob } from './storing-process.ts';

let store: FileBlobStore | undefined;
const held: unknown[] = [];

async function obey(command: StoringCommand): Promise<unknown> {
  if (command.kind === 'lock') return locked(command.directory);
  if (command.kind === 'life') return await lifeOf(command.directory, command.owner);
  store ??= await FileBlobStore.open({ directory: command.directory, owners: (at) => new OwnerLocks(at) });
  if (command.kind === 'small') {
    for (let at = 0; at < command.count; at += 1) void kept(store, smallBlob(at));
    return undefined;
  }
  const { note, part } = largeBlob;
  const spool = (await store.reopen(note)) ?? (await store.begin());
  held.push(spool);
  spool.mark(note);
  if (command.kind === 'keep') {
    for (const at of command.parts) await spool.write(at * part.length, part);
    await spool.keep();
    return [...spool.ranges];
  }
  void writeAll(spool, command.parts);
  return undefined;
}

async function writeAll(spool: Spool, parts: readonly number[]): Promise<void> {
  for (const at of parts) await spool.write(at * largeBlob.part.length, largeBlob.part);
}

async function kept(blobs: FileBlobStore, content: Buffer): Promise<void> {
  await blobs.keep(verifyWhole(sha256(content), content), content);
}

function locked(directory: string): string {
  const owners = new OwnerLocks(directory);
  held.push(owners);
  return owners.mine;
}

async function lifeOf(directory: string, owner: string): Promise<string> {
  using owners = new OwnerLocks(directory);
  const life = await owners.lifeOf(owner);
  await owners.forget(owners.mine);
  return life;
}

process.on('message', (command: StoringCommand) => {
  obey(command).then(
    (answer) => process.send?.({ answer }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
