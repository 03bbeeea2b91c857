import type { Call } from './call.ts';

/** `GET /v2/` (distribution-spec "Determining Support"). */
export function version({ exchange }: Call<'version'>): void {
  exchange.sendJson(200, {});
}
