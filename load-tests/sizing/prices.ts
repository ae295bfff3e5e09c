/**
 * List prices, on demand, in USD, of US East (N. Virginia), as they were known in 2025. Not asked anew here, and not those of
 * the EU, which are some 10 to 20 % higher: look each of them up on its page before it is used for anything.
 */
export interface Prices {
  readonly source: string;
  /** By size of EC2's m7g, an hour; processors and GiB. */
  readonly node: readonly Instance[];
  readonly broker: readonly Instance[];
  /** Multi-AZ: both instances. */
  readonly database: readonly Instance[];
  readonly controlPlaneHour: number;
  readonly loadBalancerHour: number;
  /** A GB and month. */
  readonly brokerStorage: number;
  readonly databaseStorage: number;
  /** A GB that crosses zones: counted where it leaves and where it comes in. */
  readonly crossZone: number;
  /** A GB to the internet, first 10 TB of a month. */
  readonly internet: number;
}

export interface Instance {
  readonly name: string;
  readonly processors: number;
  readonly hour: number;
}

export const prices: Prices = {
  source: 'US East, on demand, 2025',
  // https://aws.amazon.com/ec2/pricing/on-demand/
  node: sizes('m7g', 0.0816),
  // https://aws.amazon.com/msk/pricing/
  broker: sizes('kafka.m7g', 0.204),
  // https://aws.amazon.com/rds/mariadb/pricing/
  database: sizes('db.m7g', 0.336),
  // https://aws.amazon.com/eks/pricing/
  controlPlaneHour: 0.1,
  // https://aws.amazon.com/elasticloadbalancing/pricing/; its capacity units are in `internet`'s noise and left out.
  loadBalancerHour: 0.0225,
  brokerStorage: 0.1,
  databaseStorage: 0.23,
  // https://aws.amazon.com/ec2/pricing/on-demand/#Data_Transfer
  crossZone: 0.02,
  internet: 0.09,
};

/** Each size has twice the processors of the one before, at twice its price. */
function sizes(family: string, large: number): Instance[] {
  return ['large', 'xlarge', '2xlarge', '4xlarge', '8xlarge', '16xlarge'].map((size, step) => ({
    name: `${family}.${size}`,
    processors: 2 * 2 ** step,
    hour: large * 2 ** step,
  }));
}
