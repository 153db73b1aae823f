#include "batonstore/tools/demo_orders.h"

#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/tools/demo_names.h"

namespace batonstore::tools {
namespace {

constexpr char kOrdersField[] = "orders";

std::string ReplyTo(uint64_t number) { return absl::StrCat("order ", number, " is taken"); }

std::string LineOf(Alias alias, uint64_t number, absl::string_view next_baton) {
  return absl::StrCat("answered ", alias.ToString(), " ", number, " ", next_baton, "\n");
}

// Counts an answer that should have been a refusal. Another refusal than the right one is an error.
absl::Status Count(const absl::StatusOr<OrderAnswer>& answer, Verdict expected,
                   OrderClients::Tried& tried) {
  ++tried.batons;
  if (answer.ok()) ++tried.accepted;
  if (answer.ok() || VerdictOf(answer.status()) == expected) return absl::OkStatus();
  return answer.status();
}

}  // namespace

absl::StatusOr<OrderAnswer> TakeOrder(SessionStore& store, absl::string_view baton, uint64_t number,
                                      absl::string_view database, absl::string_view principal) {
  const std::string digest = absl::StrCat("order ", number);  // short enough to be its own
  BATONSTORE_ASSIGN_OR_RETURN(Resumed resumed, store.Resume(baton, digest, database, principal));
  if (TurnReplay* replay = std::get_if<TurnReplay>(&resumed)) {
    return OrderAnswer{true, std::move(replay->reply), std::move(replay->next_baton)};
  }
  SessionTurn& turn = std::get<SessionTurn>(resumed);
  BATONSTORE_RETURN_IF_ERROR(turn.Merge({{kOrdersField, Change::Add(1)}}));
  BATONSTORE_ASSIGN_OR_RETURN(std::string next_baton, turn.Finish(ReplyTo(number)));
  return OrderAnswer{false, ReplyTo(number), std::move(next_baton)};
}

absl::StatusOr<uint64_t> OrdersTaken(const SessionStore& store, Alias alias) {
  BATONSTORE_ASSIGN_OR_RETURN(const Attributes attributes, store.Load(alias));
  const auto field = attributes.fields.find(kOrdersField);
  uint64_t taken = 0;
  if (field == attributes.fields.end()) return taken;
  if (absl::SimpleAtoi(field->second.bytes(), &taken)) return taken;
  return Refuse(Verdict::kCorrupt, "the number of orders is none");
}

absl::Status TakeOrders(SessionStore& store, const std::vector<Alias>& clients,
                        const std::function<bool()>& stop,
                        const std::function<absl::Status(const std::string& line)>& report) {
  struct Next {
    std::string baton;
    uint64_t number;
  };
  std::map<Alias, Next> orders;
  for (const Alias alias : clients) {
    BATONSTORE_ASSIGN_OR_RETURN(std::string baton, store.Issue(alias));
    BATONSTORE_ASSIGN_OR_RETURN(const uint64_t taken, OrdersTaken(store, alias));
    orders[alias] = {std::move(baton), taken + 1};
  }
  while (!stop()) {
    for (auto& [alias, next] : orders) {
      BATONSTORE_ASSIGN_OR_RETURN(OrderAnswer answer, TakeOrder(store, next.baton, next.number,
                                                                kDemoOrders, kDemoPrincipal));
      BATONSTORE_RETURN_IF_ERROR(report(LineOf(alias, next.number, answer.next_baton)));
      next = {std::move(answer.next_baton), next.number + 1};
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<OrderClients> OrderClients::Create(SessionStore& store, int clients) {
  OrderClients made;
  for (int i = 0; i < clients; ++i) {
    BATONSTORE_ASSIGN_OR_RETURN(
        const Session session,
        store.ReserveAndCreate({.label = absl::StrCat("client ", i),
                                .principal = kDemoPrincipal,
                                .database = kDemoOrders,
                                .expires_at = store.clock().Now() + absl::Hours(24)}));
    BATONSTORE_ASSIGN_OR_RETURN(made.clients_[session.alias].baton, store.Issue(session.alias));
  }
  return made;
}

absl::Status OrderClients::Record(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  const bool is_answer = words.size() == 4 && words[0] == "answered";
  const std::optional<Alias> alias = is_answer ? Alias::Parse(words[1]) : std::nullopt;
  uint64_t number = 0;
  if (!alias.has_value() || !absl::SimpleAtoi(words[2], &number) || clients_.count(*alias) == 0) {
    return Refuse(Verdict::kCorrupt, "the worker reported no answer to an order");
  }
  Client& client = clients_[*alias];
  if (number != client.next()) {
    return Refuse(Verdict::kCorrupt, absl::StrCat("order ", client.next(), " of client ", words[1],
                                                  " was answered as ", number));
  }
  Advance(client, std::string(words[3]));
  return absl::OkStatus();
}

void OrderClients::Advance(Client& client, std::string next_baton) {
  client.used.push_back(std::exchange(client.baton, std::move(next_baton)));
  ++answered_;
}

// Places the next order. Whether it had been taken before.
absl::StatusOr<bool> OrderClients::AskTwice(Client& client, const OrderService& service) {
  const auto ask = [&] {
    return service(client.baton, client.next(), kDemoOrders, kDemoPrincipal);
  };
  BATONSTORE_ASSIGN_OR_RETURN(const OrderAnswer lost, ask());
  BATONSTORE_ASSIGN_OR_RETURN(const OrderAnswer heard, ask());
  if (!heard.again || heard.reply != ReplyTo(client.next()) || heard.reply != lost.reply ||
      heard.next_baton != lost.next_baton) {
    return Refuse(Verdict::kCorrupt,
                  absl::StrCat("order ", client.next(), " was answered in two ways"));
  }
  Advance(client, heard.next_baton);
  return lost.again;
}

absl::StatusOr<uint64_t> OrderClients::AskAgain(const SessionStore& store,
                                                const OrderService& service) {
  uint64_t taken_before = 0;
  for (auto& [alias, client] : clients_) {
    BATONSTORE_ASSIGN_OR_RETURN(const bool before, AskTwice(client, service));
    taken_before += before;
    BATONSTORE_ASSIGN_OR_RETURN(const uint64_t taken, OrdersTaken(store, alias));
    if (taken != client.used.size()) {
      return Refuse(Verdict::kCorrupt,
                    absl::StrCat(client.used.size(), " orders of client ", alias.ToString(),
                                 " were answered, and ", taken, " taken"));
    }
  }
  return taken_before;
}

absl::StatusOr<OrderClients::Tried> OrderClients::Replay(const OrderService& service) const {
  Tried tried;
  for (const auto& [alias, client] : clients_) {
    for (uint64_t number = 1; number <= client.used.size(); ++number) {
      // The last one is still good for the order that it was used for, and for no other.
      const bool last = number == client.used.size();
      BATONSTORE_RETURN_IF_ERROR(Count(
          service(client.used[number - 1], last ? number + 1 : number, kDemoOrders, kDemoPrincipal),
          last ? Verdict::kReused : Verdict::kReplayed, tried));
    }
  }
  return tried;
}

absl::StatusOr<OrderClients::Tried> OrderClients::Steal(const OrderService& service) const {
  Tried tried;
  for (const auto& [alias, client] : clients_) {
    std::vector<std::pair<std::string, uint64_t>> stolen = {{client.baton, client.next()}};
    if (!client.used.empty()) stolen.emplace_back(client.used.back(), client.used.size());
    for (const auto& [baton, number] : stolen) {
      BATONSTORE_RETURN_IF_ERROR(
          Count(service(baton, number, kDemoOrders, kDemoThief), Verdict::kWrongPrincipal, tried));
      BATONSTORE_RETURN_IF_ERROR(Count(service(baton, number, kDemoElsewhere, kDemoPrincipal),
                                       Verdict::kWrongDatabase, tried));
    }
  }
  return tried;
}

}  // namespace batonstore::tools
