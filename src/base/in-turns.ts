import { setImmediate } from 'node:timers/promises';

/** So many small steps (an entry of a list looked at, two compared) take about a millisecond, three on a slow machine. */
const stepsInTurn = 2000;

/** Does something with each; behind each few of a long list others have their turn. */
export async function eachInTurns<Item>(items: readonly Item[], take: (item: Item) => void): Promise<void> {
  for (let at = 0; at < items.length; at += stepsInTurn) {
    if (at > 0) await setImmediate();
    for (const item of items.slice(at, at + stepsInTurn)) take(item);
  }
}

/** A sorted copy, in ASCII order; behind each few steps with a long list others have their turn. */
export async function sortedInTurns<Text extends string>(texts: readonly Text[]): Promise<Text[]> {
  let runs: Text[][] = [];
  for (let at = 0; at < texts.length; at += stepsInTurn) {
    if (at > 0) await setImmediate();
    runs.push(texts.slice(at, at + stepsInTurn).sort());
  }
  while (runs.length > 1) runs = await mergedInPairs(runs);
  return runs[0] ?? [];
}

async function mergedInPairs<Text extends string>(runs: readonly Text[][]): Promise<Text[][]> {
  const merged: Text[][] = [];
  for (let at = 0; at < runs.length; at += 2)
    merged.push(await mergedRun(runs[at] ?? [], runs[at + 1] ?? []));
  return merged;
}

async function mergedRun<Text extends string>(left: Text[], right: Text[]): Promise<Text[]> {
  const all: Text[] = [];
  let [inLeft, inRight] = [0, 0];
  while (inLeft < left.length && inRight < right.length) {
    const isLeft = (left[inLeft] as Text) <= (right[inRight] as Text);
    all.push((isLeft ? left[inLeft] : right[inRight]) as Text);
    if (isLeft) inLeft += 1;
    else inRight += 1;
    if (all.length % stepsInTurn === 0) await setImmediate();
  }
  return all.concat(left.slice(inLeft), right.slice(inRight));
}
