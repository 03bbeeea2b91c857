import type { BundlePlan, FaultPlan, Plan } from './plan.ts';

/** A plan in a few lines, for whoever reads of a finding. */
export function describePlan(plan: Plan): string[] {
  const { disk, wire, freshness, complete, images, layerSizes } = plan;
  const shownImages = images.slice(0, 10).map((image, at) => {
    const wrong = image.isWrong ? ', size of the first wrong' : '';
    return `  ${at}: ${image.host}/${image.path}:${image.tag}, layers ${image.layers.join(' ')}${wrong}`;
  });
  return [
    `store ${plan.store}, index ${plan.index}${plan.isShared ? ', two servers' : ''}, disk ${disk.callMs} ms a call, ${disk.syncMs} ms a sync, ${disk.threads} threads`,
    `upstream ${wire.answerMs} ms an answer, ${wire.chunkMs} ms a chunk; freshness ${freshness}, complete ${complete}`,
    ...plan.hosts.map(
      ({ host, wants, redirectsFor, hasMirror }) =>
        `${host}, wants ${wants}${redirectsFor === undefined ? '' : ', redirects blobs'}${hasMirror ? ', has a mirror' : ''}`,
    ),
    `layers of ${layerSizes.slice(0, 10).join(' ')} bytes; ${images.length} images:`,
    ...shownImages,
    `clients: ${plan.clients.map(({ kind, id, comesAt }) => `${kind}${id} from ${seconds(comesAt)}`).join(', ')}`,
    ...describePushes(plan),
    ...plan.faults.map((fault) => `fault: ${describeFault(fault)}`),
    ...plan.moves.map(({ at, image }) => `the tag of image ${image} moves at ${seconds(at)}`),
    ...plan.deletions.map(
      ({ at, image }) => `the tag of image ${image} is deleted upstream at ${seconds(at)}`,
    ),
    ...(plan.full === undefined
      ? []
      : [`no room from ${seconds(plan.full.from)} to ${seconds(plan.full.until)}`]),
    ...plan.prunes.map(({ at, image }) => `the tag of image ${image} is pruned at ${seconds(at)}`),
    ...(plan.maxSize === 0 ? [] : [`at most ${plan.maxSize} bytes`]),
    ...plan.pinned.map((image) => `image ${image} is pinned`),
    ...plan.crashes.map(
      ({ at, kind, isOfSecond }) =>
        `crash: ${kind}${isOfSecond === true ? ' of the second' : ''} at ${seconds(at)}`,
    ),
    ...plan.spoils.map(({ at, kind }) => `the file of a stored blob: ${kind} at ${seconds(at)}`),
    ...plan.bundles.map(describeBundle),
  ];
}

function describePushes({ pushers, uploadExpiryMs: { team, lib } }: Plan): string[] {
  if (pushers.length === 0) return [];
  const who = pushers.map(({ id, comesAt }) => `pusher${id} from ${seconds(comesAt)}`).join(', ');
  return [`${who}; uploads wait for ${seconds(team)} (team/) and ${seconds(lib)} (lib/)`];
}

function describeBundle({ at, kind, image, isWithEarlier, isCutAt, killedAfter }: BundlePlan): string {
  const what = kind === 'import' ? 'the last bundle' : image === undefined ? 'all' : `image ${image}`;
  const earlier = kind === 'import' ? ' with those before it' : ' since the last bundle';
  const cut = isCutAt === undefined ? '' : `, cut at ${isCutAt}`;
  const killed = killedAfter === undefined ? '' : `, killed after ${seconds(killedAfter)}`;
  return `${kind} of ${what}${isWithEarlier ? earlier : ''}${cut}${killed} at ${seconds(at)}`;
}

function describeFault({
  kind,
  host,
  atMirror,
  on,
  from,
  until,
  chance,
  status,
  retryAfter,
}: FaultPlan): string {
  const what = on === 'all' ? 'all' : 'image' in on ? `manifests of image ${on.image}` : `layer ${on.layer}`;
  const said = `${status === undefined ? '' : ` ${status}`}${retryAfter === undefined ? '' : ` after ${retryAfter} s`}`;
  return `${kind}${said}, ${atMirror ? 'mirror of ' : ''}${host}, ${what}, ${seconds(from)} to ${seconds(until)}, ${chance * 100} %`;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
