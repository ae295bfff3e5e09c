/** Panels that show nothing in a run where all is well, by dashboard and title, with the reason. */
export const mayBeEmpty: Readonly<Record<string, string>> = {
  'overview/Why messages fail': 'none fails for long enough to be counted twice',
  'overview/Alerts': 'none fires',
  'message/Pushes that come again': 'none had to',
  'message/Envelopes that devices cannot read': 'all can be read',
  'message/Commands without effect': 'no repeat and no tick in a short run',
  'ranges/Steps of reshapes': 'there is none',
  'ranges/Reshapes': 'there is none',
  'zones/Calls that fail': 'all are answered',
  'crypto/Certificates end in': 'the processes of the local cluster speak without TLS',
  'crypto/Keys destroyed': 'no key is old enough',
  'business/Failed and expired': 'none fails',
  'business/Refused': 'none is refused',
  'services/Calls that were refused': 'none is refused',
};
