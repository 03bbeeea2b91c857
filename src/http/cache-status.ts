import type { ServerResponse } from 'node:http';
import type { Outcome } from '../oci/outcome.ts';

/** Says how the answer came about: Cache-Status (RFC 9211), and Warning 299 on what is stale (distribution-spec "Warnings"). */
export function setCacheStatus(response: ServerResponse, outcome: Outcome | undefined): void {
  if (outcome === undefined) return;
  response.setHeader('Cache-Status', `ociregistry; ${parametersOf(outcome)}`);
  if (outcome.kind === 'stale') response.setHeader('Warning', `299 - "stale: ${outcome.cause}"`);
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
