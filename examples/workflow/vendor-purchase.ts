/**
 * Three agents buy something, a person approves, and all of it is one receipt. Needs a daemon (`npm run -s receiptd -- dev`) and the built
 * package; run it as `node examples/workflow/vendor-purchase.ts` in a folder with `receiptd-data`, or with RECEIPTD_SOCKET set.
 */
import { type Chain, Client } from "receiptd/client";

/** Each agent says what it did, and goes on when that is stored. */
async function research(chain: Chain): Promise<{ readonly vendor: string; readonly price: number }> {
  const agent = "research-agent";
  await chain.event({ agent, action: "search_vendors", metrics: { estimated_cost_usd: 0.08 }, details: { query: "300 monitor arms" } });
  await chain.event({ agent, action: "compare_offers", metrics: { estimated_cost_usd: 0.12 }, details: { offers: 4 } });
  return { vendor: "vendor.com", price: 11_800 };
}

async function negotiate(chain: Chain, { vendor, price }: { readonly vendor: string; readonly price: number }): Promise<number> {
  const agent = "negotiation-agent";
  await chain.event({ agent, action: "ask_for_discount", metrics: { external_communications_count: 1, external_domains_contacted: [vendor], estimated_cost_usd: 0.15 } });
  const agreed = price - 800;
  await chain.event({ agent, action: "agree_on_price", metrics: { financial_exposure_usd: agreed }, details: { vendor, price: agreed } });
  return agreed;
}

async function commit(chain: Chain, price: number): Promise<void> {
  const agent = "commitment-agent";
  await chain.event({ agent, action: "draft_order", metrics: { estimated_cost_usd: 0.07 } });
  await chain.approve({ approver: "jane.doe@acme.example", authenticatedBy: "OIDC with a second factor", approved: `Order 300 monitor arms for ${price} USD`, at: new Date().toISOString() });
  await chain.event({ agent, action: "place_order", metrics: { records_modified_count: 1 }, details: { order: "PO-4711" } });
  await chain.event({ agent, action: "report_back" });
}

await using client = new Client({ organization: "acme" });
const chain = await client.chain({ summary: "Vendor purchase workflow completed with human approval.", policyVersion: "2.0" }, async (open) => {
  const offer = await research(open);
  await commit(open, await negotiate(open, offer));
  return open;
});
const { receipt } = await client.get(chain.receipt!.receiptId);
console.log(JSON.stringify(receipt, null, 2));
