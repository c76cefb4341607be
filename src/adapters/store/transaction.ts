import type { Receipt } from "../../engine/store-port.ts";
import { dropImage, writeImage } from "./before-image.ts";
import type { Writing } from "./context.ts";
import { writeReceipt } from "./receipts.ts";

/**
 * Writes a publication in one transaction: its rows by `work`, its receipt, and its before-images, which are on disk
 * before the commit. After an error nothing of it is left.
 */
export async function inTransaction(
  { connection, request }: Writing,
  history: string,
  work: () => Promise<Receipt>,
): Promise<Receipt> {
  await connection.run("begin transaction");
  try {
    const receipt = await work();
    await writeReceipt(connection, request, receipt);
    await writeImage({ connection, request }, history);
    await connection.run("commit");
    return receipt;
  } catch (error) {
    // A failed commit has ended the transaction already.
    await connection.run("rollback").catch(() => undefined);
    await dropImage(request, history);
    throw error;
  }
}
