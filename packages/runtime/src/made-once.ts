/** Makes each value once, also for those who ask while it is made; a failure is forgotten, and tried again. */
export class MadeOnce<T> {
  private readonly values = new Map<string, Promise<T>>();

  async get(key: string, make: () => Promise<T>): Promise<T> {
    let value = this.values.get(key);
    if (!value) {
      value = make();
      this.values.set(key, value);
    }
    try {
      return await value;
    } catch (error) {
      if (this.values.get(key) === value) this.values.delete(key);
      throw error;
    }
  }

  /** Gives all that was made and forgets it. */
  async takeAll(): Promise<T[]> {
    const settled = await Promise.allSettled(this.values.values());
    this.values.clear();
    return settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  }
}
