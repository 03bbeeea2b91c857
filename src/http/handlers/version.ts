import type { Exchange } from '../exchange.ts';

/** `GET /v2/` (distribution-spec "Determining Support"). */
export function version(exchange: Exchange): void {
  exchange.sendJson(200, {});
}
