// Whom the demo's sessions belong to, and what they may be used on.

#ifndef BATONSTORE_TOOLS_DEMO_NAMES_H_
#define BATONSTORE_TOOLS_DEMO_NAMES_H_

namespace batonstore::tools {

inline constexpr char kDemoPrincipal[] = "demo";
inline constexpr char kDemoThief[] = "a thief";

inline constexpr char kDemoDatabase[] = "main";      // of the sessions that workers make
inline constexpr char kDemoOrders[] = "orders";      // of the clients' whose batons rotate
inline constexpr char kDemoElsewhere[] = "another";  // where no baton is good

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_DEMO_NAMES_H_
