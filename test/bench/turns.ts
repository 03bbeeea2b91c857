/**
 * Who comes when. Each round another one begins, since the first meets a machine that nobody has warmed up; and every other round goes the other
 * way round, so that nobody always comes behind the same one.
 */
export function turnsOf<One>(all: readonly One[], round: number): One[] {
  const first = all.length === 0 ? 0 : round % all.length;
  const step = round % 2 === 0 ? 1 : -1;
  return all.map((one, at) => all.at((first + step * at) % all.length) ?? one);
}
