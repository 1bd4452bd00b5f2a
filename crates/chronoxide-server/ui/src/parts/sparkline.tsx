/** A small line without axes. */

const WIDTH = 120;
const HEIGHT = 28;

interface SparklineProps {
  readonly values: readonly (number | null)[];
  readonly label: string;
}

export function Sparkline({ values: all, label }: SparklineProps) {
  // A young server has no hour to show: what it has takes the whole width.
  const values = all.slice(Math.max(0, all.findIndex((value) => value !== null)));
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return <span class="sparkline" />;
  const low = Math.min(0, ...known);
  const high = Math.max(...known, low + Number.MIN_VALUE);
  const x = (index: number): number => (index / (values.length - 1)) * WIDTH;
  const y = (value: number): number => HEIGHT - 2 - ((value - low) / (high - low)) * (HEIGHT - 4);
  let path = "";
  let pen = "M";
  values.forEach((value, index) => {
    if (value === null) {
      pen = "M";
      return;
    }
    path += `${pen}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = "L";
  });
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <path d={path} />
    </svg>
  );
}
