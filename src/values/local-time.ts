/** As the original writes a moment: `2006-01-02T15:04:05`, here. Milliseconds since the epoch; 0 is none: `-`. */
export function localTime(at: number): string {
  if (at === 0) return '-';
  const date = new Date(at);
  return new Date(at - date.getTimezoneOffset() * 60_000)
    .toISOString()
    .slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);
}
