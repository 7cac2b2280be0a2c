/** How far the fetching of a module's files is. */
export interface LoadEvent {
  kind: "receiving";
  path: string;
  receivedBytes: number;
  totalBytes: number;
}
