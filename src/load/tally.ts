/** What an image, or many, cost and saved. Bytes. */
export class Tally {
  manifests = 0;
  blobs = 0;
  /** Bytes that came, with those of transfers that failed. */
  fetched = 0;
  /** Bytes that were there before. */
  present = 0;
  /** What both will be together, by the manifests that were read so far; 0: nobody says. */
  expected = 0;

  add({ manifests, blobs, fetched, present }: Tally): void {
    this.manifests += manifests;
    this.blobs += blobs;
    this.fetched += fetched;
    this.present += present;
  }
}
