import type { Report } from './report.ts';

/** The reports of one subject. Where one way to it fails and another does not, that one says so: the server takes the other. */
export function withWaysLeft(reports: readonly Report[]): Report[] {
  return reports.map((report) => {
    const other = report.status === 'failed' ? wayLeft(report, reports) : undefined;
    return other === undefined ? report : { ...report, notes: [...report.notes, wayText(report, other)] };
  });
}

/** At the same place if there is one there, else the first: that to the registry itself. */
function wayLeft({ by }: Report, reports: readonly Report[]): Report | undefined {
  const open = reports.filter(({ status }) => status === 'ok');
  return open.find((other) => other.by === by) ?? open[0];
}

function wayText(failed: Report, other: Report): string {
  if (other.by === failed.by) return `pulls still work as ${other.as}`;
  return `pulls still work through ${other.by ?? 'the registry itself'}`;
}
