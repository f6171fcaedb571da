dnl SPDX-License-Identifier: GPL-2.0-or-later
dnl The questions configure asks, so that configure.ac reads as a list.

dnl CLUSTERD_LIBRARY(VARIABLE, PKG-CONFIG MODULE, DEBIAN PACKAGE)
dnl A library we cannot do without. Its headers are somebody else's: -isystem keeps our warnings out
dnl of them.
AC_DEFUN([CLUSTERD_LIBRARY], [
	PKG_CHECK_MODULES([$1], [$2], [],
		[AC_MSG_ERROR([$2 is missing: install the Debian package $3 (or run tools/setup)])])
	$1_CFLAGS=`AS_ECHO(["$$1_CFLAGS"]) | $SED 's/-I */-isystem /g'`
])

dnl CLUSTERD_CC_ACCEPTS(FLAGS, IF YES, IF NO)
dnl With -Werror, because clang answers an unknown warning option with nothing but a warning.
AC_DEFUN([CLUSTERD_CC_ACCEPTS], [
	clusterd_saved_cflags=$CFLAGS
	CFLAGS="$CFLAGS -Werror $1"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]], [[return (int)strlen("");]])],
		[clusterd_accepted=yes], [clusterd_accepted=no])
	CFLAGS=$clusterd_saved_cflags
	AS_IF([test $clusterd_accepted = yes], [$2], [$3])
])

dnl Sets WARN_CFLAGS. A required flag the compiler refuses stops configure: a flag that silently
dnl never applies is worse than none.
AC_DEFUN([CLUSTERD_WARNINGS], [
	AC_ARG_ENABLE([werror],
		[AS_HELP_STRING([--enable-werror], [make every warning an error (for developers)])],
		[], [enable_werror=no])

	WARN_CFLAGS="-std=gnu11"
	m4_foreach_w([flag], [
		-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
		-Wold-style-definition -Wvla -Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings
		-Wcast-align -Wredundant-decls -Wnested-externs -Wimplicit-fallthrough
		-Wdouble-promotion -Wdate-time
		-Werror=implicit-function-declaration -Werror=incompatible-pointer-types
		-Werror=int-conversion -Werror=return-type
		-Wno-unused-parameter -Wno-missing-field-initializers
	], [
		AC_MSG_CHECKING([whether $CC accepts flag])
		CLUSTERD_CC_ACCEPTS([flag],
			[AC_MSG_RESULT([yes]); WARN_CFLAGS="$WARN_CFLAGS flag"],
			[AC_MSG_RESULT([no])
			 AC_MSG_ERROR([$CC refuses "flag"; gcc 12 and clang 14 take it])])
	])
	# Worth having where the compiler knows them; clang does not.
	m4_foreach_w([flag], [-Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wtrampolines], [
		CLUSTERD_CC_ACCEPTS([flag], [WARN_CFLAGS="$WARN_CFLAGS flag"])
	])
	AS_IF([test "x$enable_werror" = xyes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
	AC_SUBST([WARN_CFLAGS])
])

dnl Sets SANITIZE_FLAGS, used to compile and to link.
AC_DEFUN([CLUSTERD_SANITIZERS], [
	AC_ARG_WITH([sanitizers],
		[AS_HELP_STRING([--with-sanitizers=LIST],
			[build with these sanitizers, for example address,undefined])],
		[], [with_sanitizers=no])
	AS_CASE([$with_sanitizers],
		[no], [SANITIZE_FLAGS=],
		[yes], [with_sanitizers=address,undefined])
	AS_IF([test "x$with_sanitizers" != xno], [
		SANITIZE_FLAGS="-fsanitize=$with_sanitizers -fno-sanitize-recover=all"
		SANITIZE_FLAGS="$SANITIZE_FLAGS -fno-omit-frame-pointer"
		CLUSTERD_CC_ACCEPTS([$SANITIZE_FLAGS], [],
			[AC_MSG_ERROR([$CC cannot build with -fsanitize=$with_sanitizers])])
	])
	AC_SUBST([SANITIZE_FLAGS])
])

dnl Sets HARDEN_CPPFLAGS, HARDEN_CFLAGS, HARDEN_LDFLAGS. Required like the warnings, with two
dnl exceptions: fortified string functions want an optimising build, and they hide from the
dnl sanitizers what those look for.
AC_DEFUN([CLUSTERD_HARDENING], [
	AC_ARG_ENABLE([hardening],
		[AS_HELP_STRING([--disable-hardening], [leave out the hardening flags])],
		[], [enable_hardening=yes])
	clusterd_hardening=$enable_hardening
	HARDEN_CPPFLAGS= HARDEN_CFLAGS= HARDEN_LDFLAGS=
	AS_IF([test "x$enable_hardening" = xyes], [
		HARDEN_CFLAGS="-fPIE -fstack-protector-strong -fstack-clash-protection"
		HARDEN_LDFLAGS="-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack"
		CLUSTERD_CC_ACCEPTS([$HARDEN_CFLAGS $HARDEN_LDFLAGS], [],
			[AC_MSG_ERROR([$CC refuses $HARDEN_CFLAGS $HARDEN_LDFLAGS])])
		AS_IF([test "x$with_sanitizers" = xno], [
			clusterd_fortify="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3"
			CLUSTERD_CC_ACCEPTS([$clusterd_fortify],
				[HARDEN_CPPFLAGS=$clusterd_fortify],
				[clusterd_hardening="yes, but not fortified (no optimisation?)"])
		])
	])
	AC_SUBST([HARDEN_CPPFLAGS])
	AC_SUBST([HARDEN_CFLAGS])
	AC_SUBST([HARDEN_LDFLAGS])
])
