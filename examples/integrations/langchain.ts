/**
 * LangChain with receipts: a model in a chain, and a tool that runs once the receipt of its call is stored. The model is a fake, so that
 * no key is needed; the daemon is the one of RECEIPTD_SOCKET, or of this folder.
 *
 *     node examples/integrations/langchain.ts        (with the built package: npm run -s build)
 */
import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { tool } from "@langchain/core/tools";
import { FakeListChatModel } from "@langchain/core/utils/testing";
import { z } from "zod";
import { Client } from "receiptd/client";
import { receiptedModel, receiptedTool } from "receiptd/langchain";

await using client = new Client({ systemId: "refund_assistant" });
const model = receiptedModel(new FakeListChatModel({ responses: ["Refund 20 EUR."] }), { client, onReceipt: ({ receiptNumber }) => console.log(receiptNumber) });
const refund = receiptedTool(
  tool(({ amount }) => { console.log(`refunded ${amount}`); return "refunded"; }, {
    name: "refund", description: "Pays money back", schema: z.object({ amount: z.number() }),
  }),
  { client },
);

const chain = ChatPromptTemplate.fromMessages([["human", "The parcel {parcel} came broken. What do we do?"]]).pipe(model).pipe(new StringOutputParser());
console.log(await chain.invoke({ parcel: "4711" }));
console.log(await refund.invoke({ amount: 20 }));
