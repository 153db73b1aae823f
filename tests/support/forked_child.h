// A forked child that runs a part of a test, in step with its parent.
//
//   ForkedChild child([](Channel& parent) -> std::string {
//     parent.Send("ready");
//     if (parent.Receive() != "go") return "the parent is gone";
//     return "";                      // all went well
//   });
//   ASSERT_EQ(child.channel().Receive(), "ready");
//   child.channel().Send("go");
//   EXPECT_EQ(child.Join(), "");
//
// GoogleTest's assertions mean nothing in the child: it says in words what went wrong.

#ifndef BATONSTORE_TESTS_SUPPORT_FORKED_CHILD_H_
#define BATONSTORE_TESTS_SUPPORT_FORKED_CHILD_H_

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

namespace batonstore::testing {

// One end of a two-way line between parent and child. Messages are short lines.
class Channel {
 public:
  explicit Channel(int fd) : fd_(fd) {}
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  void Send(const std::string& message);

  // Waits for a message; empty when the other side is gone.
  std::string Receive();

 private:
  const int fd_;
};

class ForkedChild {
 public:
  // The child ends after `body` without destroying what it inherited.
  explicit ForkedChild(const std::function<std::string(Channel& parent)>& body);

  // Kills it unless it was joined.
  ~ForkedChild();
  ForkedChild(const ForkedChild&) = delete;
  ForkedChild& operator=(const ForkedChild&) = delete;

  Channel& channel() { return *channel_; }
  pid_t pid() const { return pid_; }

  // Ends it with SIGKILL, and waits until it is gone. True if that is what it died of, false if it
  // had ended by itself.
  bool Kill();

  // Whether it has ended; it is still to be joined or killed.
  bool HasEnded() const;

  // Waits for its end; what `body` returned, or how else it ended.
  std::string Join();

 private:
  std::optional<Channel> channel_;
  pid_t pid_ = -1;  // -1 once reaped
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_FORKED_CHILD_H_
