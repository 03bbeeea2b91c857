/** Does the code say that nobody whom we believe has signed the certificate? Codes of OpenSSL. */
export function isUnknownAuthority(code: string): boolean {
  return /SELF_SIGNED_CERT|UNABLE_TO_(?:GET_ISSUER_CERT|VERIFY_LEAF_SIGNATURE)/.test(code);
}
