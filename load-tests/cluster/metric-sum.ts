/** What the pages that processes show Prometheus say of one metric, added up. */

/** @param metric how its lines begin: the name, perhaps some labels @param without lines that begin so do not count */
export function metricSum(pages: readonly string[], metric: string, without?: string): number {
  const lines = pages
    .flatMap((page) => page.split('\n'))
    .filter((line) => line.startsWith(metric) && (without === undefined || !line.startsWith(without)));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}
