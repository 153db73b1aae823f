// The demo's clients: each has a session whose baton rotates with every order that it places, and
// goes on through kills, lost responses, replays and thieves.

#ifndef BATONSTORE_TOOLS_DEMO_ORDERS_H_
#define BATONSTORE_TOOLS_DEMO_ORDERS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/session_store.h"

namespace batonstore::tools {

struct OrderAnswer {
  bool again = false;  // the order had been taken before
  std::string reply;
  std::string next_baton;
};

// What a service does with a request: takes the order of who presents `baton`, in one turn. It is
// counted in the session's attributes exactly once, however often it is asked for.
absl::StatusOr<OrderAnswer> TakeOrder(SessionStore& store, absl::string_view baton, uint64_t number,
                                      absl::string_view database, absl::string_view principal);

// TakeOrder on some store, but for tests.
using OrderService = std::function<absl::StatusOr<OrderAnswer>(
    absl::string_view baton, uint64_t number, absl::string_view database,
    absl::string_view principal)>;

// The number of orders that a session's attributes count.
absl::StatusOr<uint64_t> OrdersTaken(const SessionStore& store, Alias alias);

// Takes orders for these sessions, one after another, until `stop` says so or something is refused;
// `report` gets a line when a client has its response.
absl::Status TakeOrders(SessionStore& store, const std::vector<Alias>& clients,
                        const std::function<bool()>& stop,
                        const std::function<absl::Status(const std::string& line)>& report);

// What the clients have heard, and so what they can demand. Their sessions are bound to
// kDemoPrincipal and kDemoOrders. Not thread-safe.
class OrderClients {
 public:
  static absl::StatusOr<OrderClients> Create(SessionStore& store, int clients);

  // A line that TakeOrders reported.
  absl::Status Record(absl::string_view line);

  uint64_t answered() const { return answered_; }

  // Each client asks for the order that was under way when its service died, or that it had not
  // placed yet; takes the response for lost too; and asks again. Returns how many orders had been
  // taken before. CORRUPT if one was taken twice or not at all, or was answered otherwise than
  // before.
  absl::StatusOr<uint64_t> AskAgain(const SessionStore& store, const OrderService& service);

  // Presents every baton that has been used, for a request that it must not be good for.
  struct Tried {
    uint64_t batons = 0;
    uint64_t accepted = 0;
  };
  absl::StatusOr<Tried> Replay(const OrderService& service) const;

  // A thief presents the batons that are good, and those before, elsewhere.
  absl::StatusOr<Tried> Steal(const OrderService& service) const;

 private:
  struct Client {
    std::vector<std::string> used;  // the baton of order 1, of order 2, ...
    std::string baton;              // of the next order
    uint64_t next() const { return used.size() + 1; }
  };

  void Advance(Client& client, std::string next_baton);
  absl::StatusOr<bool> AskTwice(Client& client, const OrderService& service);

  std::map<Alias, Client> clients_;
  uint64_t answered_ = 0;
};

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_DEMO_ORDERS_H_
