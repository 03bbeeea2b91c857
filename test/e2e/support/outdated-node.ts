import { execFileSync } from 'node:child_process';
import { delimiter, join } from 'node:path';

export const outdated = findOutdatedNode();
export const needsOutdatedNode = {
  skip: outdated === undefined ? 'no Node.js older than 24 is installed' : false,
};

/** The path of a Node that is too old to run the program itself. */
function findOutdatedNode(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => join(folder, 'node')).find(isOutdated);
}

function isOutdated(node: string): boolean {
  try {
    const version = execFileSync(node, ['--print', 'process.versions.node'], { encoding: 'utf8' });
    return Number.parseInt(version, 10) < 24;
  } catch {
    return false;
  }
}
