import type { ServerResponse } from 'node:http';
import type { Outcome } from '../../oci/outcome.ts';
import type { Cut } from '../../oci/registry.ts';
import type { Exchange } from './exchange.ts';

/** Says how the answer came about: Cache-Status (RFC 9211), and Warning 299 on what is stale (distribution-spec "Warnings"). */
export function setCacheStatus(response: ServerResponse, outcome: Outcome | undefined): void {
  if (outcome === undefined) return;
  response.setHeader('Cache-Status', `ociregistry; ${parametersOf(outcome)}`);
  if (outcome.kind === 'stale') response.setHeader('Warning', `299 - "stale: ${outcome.cause}"`);
}

const cuts: Readonly<Record<Cut, string>> = {
  failed: 'upstream failed before its end',
  bounded: 'it has more than one answer holds',
};

/** Says of a list that is answered with 200 that it ends early: Warning 299, beside that of what is stale, and the log. */
export function warnOfCut(exchange: Exchange, cut: Cut): void {
  exchange.incomplete = cuts[cut];
  exchange.response.appendHeader('Warning', `299 - "incomplete: ${exchange.incomplete}"`);
}

function parametersOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'hit':
      return 'hit';
    case 'miss':
      return outcome.collapsed === true ? 'fwd=miss; collapsed' : 'fwd=miss';
    case 'revalidated':
      return 'fwd=stale; detail=revalidated';
    case 'stale':
      return `hit; detail="stale: ${outcome.cause}"`;
  }
}
